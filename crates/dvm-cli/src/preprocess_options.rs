//! How pictures are prepared, where the network's file does not say it, or is not to be believed.

use std::collections::BTreeSet;

use clap::{Args, ValueHint};
use dvm::{Channels, Classifier};
use dvm::{Interpolation, Preprocess, PreprocessField, Resize};

use crate::failure::Failure;

/// A preprocessing by name or file, and single fields of it.
#[derive(Args, Clone, Default, PartialEq)]
#[command(next_help_heading = "Network")]
pub struct PreprocessOptions {
    /// How pictures are prepared, if not as the weights say: `imagenet`, or a JSON file
    #[arg(long, value_name = "imagenet|FILE", value_hint = ValueHint::FilePath)]
    preprocess: Option<String>,
    /// Rows and columns that the network sees
    #[arg(long, value_name = "H[xW]", value_parser = size)]
    size: Option<(usize, usize)>,
    /// What a picture is brought to before it is cropped: its shorter side, both sides, or nothing
    #[arg(long, value_name = "N|HxW|none", value_parser = resize)]
    resize: Option<Resize>,
    /// Order of the network's colour channels: bgr for networks of Caffe, OpenCV and the like
    #[arg(long, value_name = "rgb|bgr", value_parser = channel_order)]
    channel_order: Option<Channels>,
    /// What is subtracted from the pixels, which are 0 to 1, channel by channel in the network's order
    #[arg(long, value_name = "A,B,C", value_parser = three, allow_hyphen_values = true)]
    mean: Option<[f32; 3]>,
    /// What the pixels are divided by then, in the same order; 1/255 is written 0.00392156862745098
    #[arg(long, value_name = "A,B,C", value_parser = three)]
    std: Option<[f32; 3]>,
    /// The filter of the resizing
    #[arg(long, value_name = "bilinear|bicubic", value_parser = interpolation)]
    interpolation: Option<Interpolation>,
}

impl PreprocessOptions {
    /// Whether any of them is given.
    pub fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// Rows and columns that the network is to see, as far as these options say them.
    pub fn size(&self) -> Option<(usize, usize)> {
        let named = self.preprocess.as_deref();
        let said = |name| {
            let (preprocess, said) = dvm::read_preprocess(name, &Preprocess::imagenet()).ok()?;
            said.contains(&PreprocessField::Crop)
                .then_some(preprocess.crop)
        };
        self.size.or_else(|| named.and_then(said))
    }

    /// The classifier with its pictures prepared like this. What these options do not say and the file
    /// does not either stays assumed.
    pub fn apply(&self, classifier: Classifier) -> Result<Classifier, Failure> {
        use PreprocessField as Field;
        let usual = classifier.preprocess();
        let (mut chosen, mut known) = match &self.preprocess {
            Some(name) => dvm::read_preprocess(name, usual)?,
            None => (usual.clone(), BTreeSet::new()),
        };
        if let Some(size) = self.size {
            // The margin stays in proportion, unless it is said, too.
            if let (Resize::ShortSide(short), true) = (chosen.resize, size.0 == size.1) {
                let before = chosen.crop.0.min(chosen.crop.1).max(1);
                let scaled = (short * size.0) as f64 / before as f64;
                chosen.resize = Resize::ShortSide(scaled.round() as usize);
            } else if !matches!(chosen.resize, Resize::None) {
                chosen.resize = Resize::Exact(size.0, size.1);
            }
            chosen.crop = size;
            known.insert(Field::Crop);
        }
        if let Some(channels) = self.channel_order {
            // Means that are not given stay with their colours.
            chosen = chosen.with_channels(channels);
            known.insert(Field::Channels);
        }
        if let Some(resize) = self.resize {
            chosen.resize = resize;
            known.insert(Field::Resize);
        }
        if let Some(mean) = self.mean {
            chosen.mean = mean;
            known.insert(Field::Mean);
        }
        if let Some(std) = self.std {
            chosen.std = std;
            known.insert(Field::Std);
        }
        if let Some(interpolation) = self.interpolation {
            chosen.interpolation = interpolation;
            known.insert(Field::Interpolation);
        }
        if known.is_empty() {
            return Ok(classifier);
        }
        Ok(classifier.with_known_preprocess(chosen, known)?)
    }
}

/// Which options settle fields that were assumed.
pub fn hint(assumed: &BTreeSet<PreprocessField>) -> String {
    let flags: Vec<&str> = assumed.iter().map(|field| flag(*field)).collect();
    format!(
        "say what is right with {}, or --preprocess",
        flags.join(", ")
    )
}

fn flag(field: PreprocessField) -> &'static str {
    match field {
        PreprocessField::Mean => "--mean",
        PreprocessField::Std => "--std",
        PreprocessField::Channels => "--channel-order",
        PreprocessField::Crop => "--size",
        PreprocessField::Resize => "--resize",
        PreprocessField::Interpolation => "--interpolation",
    }
}

/// The option that shows a network the whole of a picture.
pub fn whole_picture(preprocess: &Preprocess) -> String {
    let (height, width) = preprocess.crop;
    format!("--resize {height}x{width}")
}

fn side(text: &str) -> Result<usize, String> {
    let side = text.parse().ok();
    side.filter(|side| (1..=Preprocess::MAX_SIDE).contains(side))
        .ok_or_else(|| format!("a side has 1 to {} pixels", Preprocess::MAX_SIDE))
}

fn size(text: &str) -> Result<(usize, usize), String> {
    match text.split_once('x') {
        Some((height, width)) => Ok((side(height)?, side(width)?)),
        None => side(text).map(|side| (side, side)),
    }
}

fn resize(text: &str) -> Result<Resize, String> {
    match text.split_once('x') {
        _ if text == "none" => Ok(Resize::None),
        Some((height, width)) => Ok(Resize::Exact(side(height)?, side(width)?)),
        None => side(text).map(Resize::ShortSide),
    }
}

fn channel_order(text: &str) -> Result<Channels, String> {
    match text.to_ascii_lowercase().as_str() {
        "rgb" => Ok(Channels::Rgb),
        "bgr" => Ok(Channels::Bgr),
        _ => Err("it is rgb or bgr".into()),
    }
}

fn three(text: &str) -> Result<[f32; 3], String> {
    let numbers: Result<Vec<f32>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[all]) => Ok([all; 3]),
        Ok(&[first, second, third]) => Ok([first, second, third]),
        _ => Err("it is three numbers with commas between them, or one for all".into()),
    }
}

fn interpolation(text: &str) -> Result<Interpolation, String> {
    match text {
        "bilinear" => Ok(Interpolation::Bilinear),
        "bicubic" => Ok(Interpolation::Bicubic),
        _ => Err("it is bilinear or bicubic".into()),
    }
}
