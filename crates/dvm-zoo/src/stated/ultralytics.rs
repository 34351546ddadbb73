//! The metadata of Ultralytics' exports of classifiers (yolov8n-cls and its like).

use std::collections::BTreeMap;

use dvm_image::{Channels, Interpolation, Resize};

use super::{Stated, rows_and_columns, sides};

/// Pixels of 0 to 1 without mean and deviation, the shorter side brought to the size and its centre cut
/// out, as their `classify_transforms` prepare pictures.
pub(super) fn stated(metadata: &BTreeMap<String, String>) -> Option<Stated> {
    if metadata.get("task")?.trim() != "classify" {
        return None;
    }
    let size = metadata.get("imgsz").and_then(|text| sides(text));
    let crop = size.as_deref().and_then(rows_and_columns);
    Some(Stated {
        from: "its Ultralytics metadata".into(),
        resize: crop.map(|(height, width)| match height == width {
            true => Resize::ShortSide(height),
            false => Resize::Exact(height, width),
        }),
        interpolation: Some(Interpolation::Bilinear),
        crop,
        channels: Some(Channels::Rgb),
        mean: Some([0.0; 3]),
        std: Some([1.0; 3]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        entries.iter().map(own).collect()
    }

    #[test]
    fn a_classifier_of_ultralytics_takes_pixels_of_0_to_1() {
        let stated = stated(&metadata(&[("task", "classify"), ("imgsz", "[224, 224]")])).unwrap();
        assert_eq!(stated.resize, Some(Resize::ShortSide(224)));
        assert_eq!(stated.crop, Some((224, 224)));
        assert_eq!((stated.mean, stated.std), (Some([0.0; 3]), Some([1.0; 3])));
    }

    #[test]
    fn detectors_and_files_of_others_say_nothing() {
        assert_eq!(
            stated(&metadata(&[("task", "detect"), ("imgsz", "640")])),
            None
        );
        assert_eq!(stated(&metadata(&[("imgsz", "640")])), None);
    }
}
