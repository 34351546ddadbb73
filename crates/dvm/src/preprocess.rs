//! Reading a preprocessing from JSON, and describing it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dvm_image::{Channels, Interpolation, Preprocess, PreprocessField, Resize};
use dvm_train::serde_words;
use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::classes::read_text;

/// Reads a preprocessing: `imagenet`, or a file with the JSON form of [`Preprocess`]. Missing fields are those of
/// `usual`. Also returns the fields that are given. For a grey network, `imagenet` uses one channel with the
/// averages of ImageNet's means and standard deviations.
///
/// # Errors
/// [`Error::File`] for a file that cannot be read or used.
pub fn read_preprocess(
    name_or_file: &str,
    usual: &Preprocess,
) -> Result<(Preprocess, BTreeSet<PreprocessField>), Error> {
    if name_or_file == "imagenet" {
        let imagenet = Preprocess::imagenet();
        let imagenet = match usual.channels {
            Channels::Grey => imagenet.with_channels(Channels::Grey),
            Channels::Rgb | Channels::Bgr => imagenet,
        };
        return Ok((imagenet, PreprocessField::ALL.into()));
    }
    let fail = |detail: String| Error::File {
        file: name_or_file.into(),
        detail,
    };
    let text = read_text(Path::new(name_or_file)).map_err(|why| {
        fail(format!(
            "cannot be read: {why}; use `imagenet` or a JSON file"
        ))
    })?;
    merged(&text, usual).map_err(fail)
}

/// As [`read_preprocess`], from JSON text.
///
/// # Errors
/// [`Error::Usage`] for text that is not a preprocessing.
pub fn parse_preprocess(
    json: &str,
    usual: &Preprocess,
) -> Result<(Preprocess, BTreeSet<PreprocessField>), Error> {
    merged(json, usual).map_err(|detail| Error::Usage(format!("`{json}` {detail}")))
}

/// A preprocessing as one line of text.
pub fn preprocess_in_words(preprocess: &Preprocess) -> String {
    let (height, width) = preprocess.crop;
    let resize = match preprocess.resize {
        Resize::ShortSide(side) => format!("short side to {side}, {}", filter(preprocess)),
        Resize::Exact(h, w) => format!("resized to {h} × {w}, {}", filter(preprocess)),
        Resize::None => "not resized".into(),
    };
    format!(
        "{resize}; centre of {height} × {width}; {} channels; mean {}; standard deviation {}",
        preprocess.channels,
        rgb(preprocess.mean),
        rgb(preprocess.std)
    )
}

fn filter(preprocess: &Preprocess) -> &'static str {
    match preprocess.interpolation {
        Interpolation::Bilinear => "bilinear",
        Interpolation::Bicubic => "bicubic",
    }
}

fn rgb(values: [f32; 3]) -> String {
    let values = values.map(|value| format!("{value:.3}"));
    if values[0] == values[1] && values[1] == values[2] {
        return values[0].clone();
    }
    values.join(", ")
}

fn merged(
    text: &str,
    usual: &Preprocess,
) -> Result<(Preprocess, BTreeSet<PreprocessField>), String> {
    let wrong = |error: serde_json::Error| format!("is not a preprocessing in JSON: {error}");
    let given: BTreeMap<String, Value> = serde_json::from_str(text).map_err(wrong)?;
    let channels = given.get(PreprocessField::Channels.name());
    let usual = match channels {
        // Means that are not given keep their colours.
        Some(channels) => {
            let channels = Channels::deserialize(channels);
            usual.with_channels(channels.map_err(|error| misfit("channels", &error))?)
        }
        None => usual.clone(),
    };
    let is_given = |field: &PreprocessField| given.contains_key(field.name());
    let said = PreprocessField::ALL.into_iter().filter(is_given).collect();
    let mut all = serde_json::to_value(&usual).map_err(wrong)?;
    let mut preprocess = usual;
    for (field, value) in given {
        all[&field] = value;
        preprocess = Preprocess::deserialize(&all).map_err(|error| misfit(&field, &error))?;
    }
    preprocess.validate().map_err(|error| error.to_string())?;
    Ok((preprocess, said))
}

/// Why a field cannot be used.
fn misfit(field: &str, error: &serde_json::Error) -> String {
    let words = serde_words(&error.to_string());
    if words.starts_with("must be") {
        format!("has a `{field}` that {words}")
    } else if words.starts_with("unknown key") {
        format!("has the {words}")
    } else {
        format!("has an invalid `{field}`: {words}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_fields_of_a_preprocessing_are_the_usual_ones() {
        let usual = Preprocess::imagenet();
        let text = r#"{"crop": [96, 128], "std": [1, 1, 1]}"#;
        let (given, said) = merged(text, &usual).unwrap();
        assert_eq!(said, [PreprocessField::Std, PreprocessField::Crop].into());
        let expected = Preprocess {
            crop: (96, 128),
            std: [1.0; 3],
            ..usual
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn another_order_of_channels_reorders_the_means() {
        let usual = Preprocess::imagenet();
        let (given, said) = merged(r#"{"channels": "bgr"}"#, &usual).unwrap();
        assert_eq!(given.mean, [0.406, 0.456, 0.485]);
        assert_eq!(said, [PreprocessField::Channels].into());
        let text = r#"{"channels": "bgr", "mean": [0.1, 0.2, 0.3]}"#;
        assert_eq!(merged(text, &usual).unwrap().0.mean, [0.1, 0.2, 0.3]);
    }

    #[test]
    fn a_preprocessing_with_an_unknown_field_or_an_invalid_value_is_an_error() {
        let refused = |text| merged(text, &Preprocess::imagenet()).unwrap_err();
        assert!(refused(r#"{"size": 224}"#).contains("has the unknown key `size`; choose one of"));
        assert!(refused(r#"{"std": [0, 1, 1]}"#).contains("std"));
        let of_crop = refused(r#"{"crop": 3}"#);
        assert_eq!(
            of_crop,
            "has a `crop` that must be a list of 2 values, but is 3"
        );
        let of_channels = refused(r#"{"channels": "cmyk"}"#);
        assert!(
            of_channels
                .contains("has an invalid `channels`: unknown value `cmyk`; choose one of `rgb`")
        );
        assert!(refused("[1, 2]").contains("is not a preprocessing"));
    }
}
