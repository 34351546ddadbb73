//! The metadata of classifiers exported by Ultralytics (such as yolov8n-cls).

use std::collections::BTreeMap;

use dvm_image::{Channels, Interpolation, Resize};

use super::{StatedFields, rows_and_columns, sides};

/// Their `classify_transforms`: pixels from 0 to 1 without mean and deviation, the shorter side resized to the
/// input size, centre crop.
pub(super) fn stated(metadata: &BTreeMap<String, String>) -> Option<StatedFields> {
    if metadata.get("task")?.trim() != "classify" {
        return None;
    }
    let size = metadata.get("imgsz").and_then(|text| sides(text));
    let crop = size.as_deref().and_then(rows_and_columns);
    Some(StatedFields {
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
    fn a_classifier_of_ultralytics_expects_pixels_from_0_to_1() {
        let stated = stated(&metadata(&[("task", "classify"), ("imgsz", "[224, 224]")])).unwrap();
        assert_eq!(stated.resize, Some(Resize::ShortSide(224)));
        assert_eq!(stated.crop, Some((224, 224)));
        assert_eq!((stated.mean, stated.std), (Some([0.0; 3]), Some([1.0; 3])));
    }

    #[test]
    fn detectors_and_files_of_other_tools_state_nothing() {
        assert_eq!(
            stated(&metadata(&[("task", "detect"), ("imgsz", "640")])),
            None
        );
        assert_eq!(stated(&metadata(&[("imgsz", "640")])), None);
    }
}
