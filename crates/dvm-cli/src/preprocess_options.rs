//! Preprocessing options, which override the preprocessing in the network's file.

use std::collections::BTreeSet;

use clap::{Args, ValueHint};
use dvm::{Channels, Classifier};
use dvm::{Interpolation, Preprocess, PreprocessField, Resize};

use crate::failure::Failure;

/// A preprocessing by name or file, and single settings of it.
#[derive(Args, Clone, Default, PartialEq)]
#[command(next_help_heading = "Preprocessing")]
pub struct PreprocessOptions {
    /// Preprocessing: `imagenet` or a JSON file [default: that of the weights]
    #[arg(long, value_name = "imagenet|FILE", value_hint = ValueHint::FilePath)]
    preprocess: Option<String>,
    /// Input size in pixels: rows and columns, such as 224 or 224x320
    #[arg(long, value_name = "H[xW]", value_parser = size)]
    size: Option<(usize, usize)>,
    /// Resize before cropping: the shorter side, both sides, or none
    #[arg(long, value_name = "N|HxW|none", value_parser = resize)]
    resize: Option<Resize>,
    /// Order of the colour channels: bgr for networks from Caffe or OpenCV
    #[arg(long, value_name = "rgb|bgr", value_parser = channel_order)]
    channel_order: Option<Channels>,
    /// Mean to subtract from pixels of 0 to 1, per channel in the network's order
    #[arg(long, value_name = "A,B,C", value_parser = three, allow_hyphen_values = true)]
    mean: Option<[f32; 3]>,
    /// Standard deviation to divide by, per channel in the network's order
    ///
    /// To divide by 1/255, give 0.00392156862745098.
    #[arg(long, value_name = "A,B,C", value_parser = three)]
    std: Option<[f32; 3]>,
    /// Interpolation of the resizing
    #[arg(long, value_name = "bilinear|bicubic", value_parser = interpolation)]
    interpolation: Option<Interpolation>,
}

impl PreprocessOptions {
    /// Rows and columns of the input, if these options set them.
    pub fn size(&self) -> Option<(usize, usize)> {
        let named = self.preprocess.as_deref();
        let size_in = |name| {
            let (preprocess, known) = dvm::read_preprocess(name, &Preprocess::imagenet()).ok()?;
            known
                .contains(&PreprocessField::Crop)
                .then_some(preprocess.crop)
        };
        self.size.or_else(|| named.and_then(size_in))
    }

    /// The classifier with this preprocessing. Settings that neither these options nor the file give stay
    /// assumed.
    pub fn apply(&self, classifier: Classifier) -> Result<Classifier, Failure> {
        use PreprocessField as Field;
        let usual = classifier.preprocess();
        let (mut chosen, mut known) = match &self.preprocess {
            Some(name) => dvm::read_preprocess(name, usual)?,
            None => (usual.clone(), BTreeSet::new()),
        };
        if let Some(size) = self.size {
            // Keeps the margin around the crop in proportion, unless --resize sets it.
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
            // Moves mean and std with their channels; --mean and --std override them below.
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

/// The options that set the assumed settings.
pub fn hint(assumed: &BTreeSet<PreprocessField>) -> String {
    let flags: Vec<&str> = assumed.iter().map(|field| flag(*field)).collect();
    format!("set it with {}, or with --preprocess", flags.join(", "))
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

/// The option with which the network gets the whole picture.
pub fn whole_picture(preprocess: &Preprocess) -> String {
    let (height, width) = preprocess.crop;
    format!("--resize {height}x{width}")
}

fn side(text: &str) -> Result<usize, String> {
    let side = text.parse().ok();
    side.filter(|side| (1..=Preprocess::MAX_SIDE).contains(side))
        .ok_or_else(|| format!("must be 1 to {} pixels", Preprocess::MAX_SIDE))
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
        _ => Err("must be rgb or bgr".into()),
    }
}

fn three(text: &str) -> Result<[f32; 3], String> {
    let numbers: Result<Vec<f32>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[all]) => Ok([all; 3]),
        Ok(&[first, second, third]) => Ok([first, second, third]),
        _ => Err("must be three numbers separated by commas, or one for all channels".into()),
    }
}

fn interpolation(text: &str) -> Result<Interpolation, String> {
    match text {
        "bilinear" => Ok(Interpolation::Bilinear),
        "bicubic" => Ok(Interpolation::Bicubic),
        _ => Err("must be bilinear or bicubic".into()),
    }
}
