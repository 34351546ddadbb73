//! The image metadata of the ONNX standard, used by Windows ML and Azure Custom Vision.

use std::collections::BTreeMap;

use dvm_image::Channels;

use super::StatedFields;

const FORMAT: &str = "Image.BitmapPixelFormat";
const RANGE: &str = "Image.NominalPixelRange";

/// Channel order and range of the input, and a warning about unknown ones.
pub(super) fn stated(
    metadata: &BTreeMap<String, String>,
) -> (Option<StatedFields>, Option<String>) {
    let lower = |key: &str| metadata.get(key).map(|text| text.trim().to_lowercase());
    let channels = lower(FORMAT).and_then(|format| match &format {
        format if format.starts_with("bgr") => Some(Channels::Bgr),
        format if format.starts_with("rgb") => Some(Channels::Rgb),
        format if format.starts_with("gray") => Some(Channels::Grey),
        _ => None,
    });
    let range = lower(RANGE);
    let values = range.as_deref().and_then(|range| match range {
        "nominalrange_0_255" => Some((0.0, 1.0 / 255.0)),
        "normalized_0_1" => Some((0.0, 1.0)),
        "normalized_1_1" => Some((0.5, 0.5)),
        _ => None,
    });
    let unused = match (&range, values) {
        (Some(_), None) => Some(format!(
            "its metadata {RANGE} is not used: `{}` must be NominalRange_0_255, Normalized_0_1 or \
             Normalized_1_1",
            metadata[RANGE].trim()
        )),
        _ => None,
    };
    let stated = StatedFields {
        from: format!("its metadata {FORMAT} and {RANGE}"),
        channels,
        mean: values.map(|(mean, _)| [mean; 3]),
        std: values.map(|(_, std)| [std; 3]),
        ..StatedFields::default()
    };
    let says_nothing = stated.fields().is_empty();
    ((!says_nothing).then_some(stated), unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(format: &str, range: &str) -> (Option<StatedFields>, Option<String>) {
        stated(&BTreeMap::from([
            (FORMAT.to_owned(), format.to_owned()),
            (RANGE.to_owned(), range.to_owned()),
        ]))
    }

    #[test]
    fn order_and_range_are_read() {
        let custom_vision = of("Bgr8", "NominalRange_0_255").0.unwrap();
        assert_eq!(custom_vision.channels, Some(Channels::Bgr));
        assert_eq!(custom_vision.std, Some([1.0 / 255.0; 3]));
        assert_eq!(custom_vision.resize, None);
        let symmetric = of("Rgb8", "Normalized_1_1").0.unwrap();
        assert_eq!(symmetric.channels, Some(Channels::Rgb));
        assert_eq!(symmetric.mean, Some([0.5; 3]));
    }

    #[test]
    fn an_unknown_range_is_a_warning() {
        let (stated, unused) = of("Rgb8", "NominalRange_16_235");
        assert_eq!(stated.unwrap().mean, None);
        assert!(unused.unwrap().contains("NominalRange_16_235"));
    }
}
