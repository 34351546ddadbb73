//! Preprocessing stated by other tools: in the metadata of an ONNX file, or in a file beside it.

mod config;
mod config_files;
mod ultralytics;
mod windows;

use std::collections::BTreeMap;

use dvm_image::{Channels, Interpolation, Preprocess, PreprocessField, Resize};

pub(crate) use config_files::ConfigFiles;

/// The fields of a [`Preprocess`] that one source states.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StatedFields {
    /// The source, for messages: `its Ultralytics metadata`.
    pub from: String,
    pub resize: Option<Resize>,
    pub interpolation: Option<Interpolation>,
    pub crop: Option<(usize, usize)>,
    pub channels: Option<Channels>,
    pub mean: Option<[f32; 3]>,
    pub std: Option<[f32; 3]>,
}

impl StatedFields {
    /// The stated fields.
    pub fn fields(&self) -> Vec<PreprocessField> {
        use PreprocessField as Field;
        let stated = [
            (Field::Mean, self.mean.is_some()),
            (Field::Std, self.std.is_some()),
            (Field::Channels, self.channels.is_some()),
            (Field::Crop, self.crop.is_some()),
            (Field::Resize, self.resize.is_some()),
            (Field::Interpolation, self.interpolation.is_some()),
        ];
        let stated = stated.into_iter().filter(|(_, is_stated)| *is_stated);
        stated.map(|(field, _)| field).collect()
    }

    /// Only the fields about the values of the input.
    fn of_values(&self) -> bool {
        self.mean.is_some() || self.std.is_some()
    }

    /// The same without mean and deviation, if the network applies them itself.
    pub fn without_values(self) -> Self {
        Self {
            mean: None,
            std: None,
            ..self
        }
    }

    /// The error, if the preprocessing is invalid.
    fn invalid(&self) -> Option<String> {
        let imagenet = Preprocess::imagenet();
        let whole = Preprocess {
            resize: self.resize.unwrap_or(imagenet.resize),
            crop: self.crop.unwrap_or(imagenet.crop),
            mean: self.mean.unwrap_or(imagenet.mean),
            std: self.std.unwrap_or(imagenet.std),
            ..imagenet
        };
        whole.validate().err().map(|error| error.to_string())
    }
}

/// All statements about a file, the most reliable first.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    /// Statements about the input tensor itself. They have priority.
    pub of_tensor: Vec<StatedFields>,
    /// The preprocessing in training.
    pub of_training: Vec<StatedFields>,
    /// Warnings about statements that are not used.
    pub unused: Vec<String>,
}

impl Statements {
    /// The statements of the metadata and of the files beside it; `size` is the size of the input.
    pub fn of(
        metadata: &BTreeMap<String, String>,
        beside: &ConfigFiles,
        size: (Option<usize>, Option<usize>),
    ) -> Self {
        let mut found = Self::default();
        let (windows, unused) = windows::stated(metadata);
        found.of_tensor.extend(windows);
        found.unused.extend(unused);
        let training = ultralytics::stated(metadata)
            .into_iter()
            .chain(config::of_metadata(metadata))
            .chain(beside.stated());
        for stated in training {
            if let Some(why) = stated.invalid() {
                found
                    .unused
                    .push(format!("{} is not used: {why}", stated.from));
            } else if let (Some((height, width)), true) = (stated.crop, differs(stated.crop, size))
            {
                found.unused.push(format!(
                    "{} is not used: it is for inputs of {height}×{width}, but the network expects {}×{}",
                    stated.from,
                    side(size.0),
                    side(size.1)
                ));
            } else {
                found.of_training.push(stated);
            }
        }
        found
    }

    /// The stated rows and columns.
    pub fn crop(&self) -> Option<(usize, usize)> {
        let all = self.of_tensor.iter().chain(&self.of_training);
        all.filter_map(|stated| stated.crop).next()
    }

    /// Sources that state a mean or a deviation of training.
    pub fn sources_of_values(&self) -> impl Iterator<Item = &str> {
        let of_values = self.of_training.iter().filter(|stated| stated.of_values());
        of_values.map(|stated| &stated.from[..])
    }
}

fn differs(crop: Option<(usize, usize)>, size: (Option<usize>, Option<usize>)) -> bool {
    let differs = |own: usize, fixed: Option<usize>| fixed.is_some_and(|fixed| fixed != own);
    crop.is_some_and(|(height, width)| differs(height, size.0) || differs(width, size.1))
}

fn side(side: Option<usize>) -> String {
    side.map_or("any".into(), |side| side.to_string())
}

/// A list of integers in JSON, Python or plain text: `[224, 224]`, `(224, 224)`, `224`, `224x224`.
fn sides(text: &str) -> Option<Vec<usize>> {
    let inner = text
        .trim()
        .trim_matches(|c| matches!(c, '[' | ']' | '(' | ')'));
    let parts = inner.split([',', 'x', '×', ' ']).map(str::trim);
    let sides = parts.filter(|part| !part.is_empty());
    let sides: Option<Vec<usize>> = sides.map(|side| side.parse().ok()).collect();
    sides.filter(|sides| !sides.is_empty())
}

/// Rows and columns of such a list: the last two, or one for both.
fn rows_and_columns(sides: &[usize]) -> Option<(usize, usize)> {
    match *sides {
        [side] => Some((side, side)),
        [.., height, width] => Some((height, width)),
        [] => None,
    }
}
