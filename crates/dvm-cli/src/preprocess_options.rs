//! How pictures are prepared, where the network's file does not say it, or is not to be believed.

use clap::{Args, ValueHint};
use dvm::Classifier;
use dvm::{Interpolation, Preprocess, Resize};

use crate::failure::Failure;

/// A preprocessing by name or file, and single fields of it.
#[derive(Args)]
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
    /// What is subtracted from red, green and blue, which are 0 to 1
    #[arg(long, value_name = "R,G,B", value_parser = three, allow_hyphen_values = true)]
    mean: Option<[f32; 3]>,
    /// What red, green and blue are divided by then; 1/255 is written 0.00392156862745098
    #[arg(long, value_name = "R,G,B", value_parser = three)]
    std: Option<[f32; 3]>,
    /// The filter of the resizing
    #[arg(long, value_name = "bilinear|bicubic", value_parser = interpolation)]
    interpolation: Option<Interpolation>,
}

impl PreprocessOptions {
    /// Rows and columns that the network is to see, as far as these options say them.
    pub fn size(&self) -> Option<(usize, usize)> {
        let named = self.preprocess.as_deref();
        let said = |name| dvm::read_preprocess(name, &Preprocess::imagenet()).ok();
        self.size
            .or_else(|| named.and_then(said).map(|preprocess| preprocess.crop))
    }

    fn is_empty(&self) -> bool {
        let Self {
            preprocess,
            size,
            resize,
            mean,
            std,
            interpolation,
        } = self;
        let fields = size.is_none() && resize.is_none() && mean.is_none() && std.is_none();
        preprocess.is_none() && fields && interpolation.is_none()
    }

    /// The classifier with its pictures prepared like this.
    pub fn apply(&self, classifier: Classifier) -> Result<Classifier, Failure> {
        if self.is_empty() {
            return Ok(classifier);
        }
        let usual = classifier.preprocess();
        let mut chosen = match &self.preprocess {
            Some(name) => dvm::read_preprocess(name, usual)?,
            None => usual.clone(),
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
        }
        chosen.resize = self.resize.unwrap_or(chosen.resize);
        chosen.mean = self.mean.unwrap_or(chosen.mean);
        chosen.std = self.std.unwrap_or(chosen.std);
        chosen.interpolation = self.interpolation.unwrap_or(chosen.interpolation);
        Ok(classifier.with_preprocess(chosen)?)
    }
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

fn three(text: &str) -> Result<[f32; 3], String> {
    let numbers: Result<Vec<f32>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[all]) => Ok([all; 3]),
        Ok(&[red, green, blue]) => Ok([red, green, blue]),
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
