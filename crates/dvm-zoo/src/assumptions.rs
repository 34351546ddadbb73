//! The assumptions about preprocessing, in words.

use std::collections::BTreeSet;

use dvm_image::{Interpolation, Preprocess, PreprocessField, Resize};

use crate::Pretrained;

/// The metadata key of the list of assumed preprocessing fields.
pub const ASSUMED_KEY: &str = "dvm.assumed";

impl Pretrained {
    /// The assumptions about preprocessing, as a sentence; `None` if there are none.
    pub fn preprocess_assumption(&self) -> Option<String> {
        let fields = &self.remarks.assumed;
        (!fields.is_empty()).then(|| {
            format!(
                "{} does not describe its preprocessing; assumed: {}",
                self.file,
                described(&self.preprocess, fields)
            )
        })
    }

    /// The same network with another preprocessing, in which these fields are known.
    #[must_use]
    pub fn with_preprocess(
        mut self,
        preprocess: Preprocess,
        known: impl IntoIterator<Item = PreprocessField>,
    ) -> Self {
        self.preprocess = preprocess;
        for field in known {
            self.remarks.assumed.remove(&field);
        }
        self
    }
}

/// These fields of a preprocessing, in words.
fn described(preprocess: &Preprocess, fields: &BTreeSet<PreprocessField>) -> String {
    use PreprocessField as Field;
    let has = |field| fields.contains(&field);
    let imagenet = Preprocess::imagenet().with_channels(preprocess.channels);
    let mut parts = Vec::new();
    let is_imagenets = preprocess.mean == imagenet.mean && preprocess.std == imagenet.std;
    match (has(Field::Mean), has(Field::Std)) {
        (true, true) if is_imagenets => parts.push("ImageNet's mean and deviation".into()),
        (true, true) if preprocess.mean == [0.0; 3] && preprocess.std == [1.0; 3] => {
            parts.push("pixels from 0 to 1".to_owned());
        }
        (mean, std) => {
            if mean {
                parts.push(format!("mean {}", numbers(preprocess.mean)));
            }
            if std {
                parts.push(format!("deviation {}", numbers(preprocess.std)));
            }
        }
    }
    if has(Field::Channels) {
        let order = format!("{} channels", preprocess.channels);
        parts.push(order.replace("rgb", "RGB").replace("bgr", "BGR"));
    }
    let (height, width) = preprocess.crop;
    if has(Field::Resize) {
        parts.push(match preprocess.resize {
            Resize::ShortSide(side) => {
                format!("the shorter side resized to {side}, then the centre {height}×{width}")
            }
            Resize::Exact(rows, columns) => {
                format!("the whole picture resized to {rows}×{columns}")
            }
            Resize::None => "no resizing".into(),
        });
    } else if has(Field::Crop) {
        parts.push(format!("the centre {height}×{width}"));
    }
    if has(Field::Interpolation) {
        parts.push(match preprocess.interpolation {
            Interpolation::Bilinear => "bilinear interpolation".into(),
            Interpolation::Bicubic => "bicubic interpolation".into(),
        });
    }
    parts.join("; ")
}

fn numbers(values: [f32; 3]) -> String {
    if values == [values[0]; 3] {
        return values[0].to_string();
    }
    values.map(|value| value.to_string()).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use PreprocessField::{Channels, Crop, Interpolation, Mean, Resize, Std};

    fn words(fields: &[PreprocessField]) -> String {
        let fields = fields.iter().copied().collect();
        described(&Preprocess::imagenet(), &fields)
    }

    #[test]
    fn only_assumed_fields_are_listed() {
        assert_eq!(
            words(&PreprocessField::ALL),
            "ImageNet's mean and deviation; RGB channels; the shorter side resized to 256, then the \
             centre 224×224; bilinear interpolation"
        );
        assert_eq!(
            words(&[Mean, Std, Channels]),
            "ImageNet's mean and deviation; RGB channels"
        );
        assert_eq!(words(&[Std]), "deviation 0.229, 0.224, 0.225");
        assert_eq!(
            words(&[Crop, Interpolation]),
            "the centre 224×224; bilinear interpolation"
        );
        assert!(words(&[Resize]).contains("256"));
    }
}
