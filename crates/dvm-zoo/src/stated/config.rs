//! Preprocessing in the configurations of timm (`mean`, `std`, `input_size`, `crop_pct`, …) and transformers
//! (`image_mean`, `image_std`, `size`, `rescale_factor`, …).

use std::collections::BTreeMap;

use dvm_image::{Channels, Interpolation, Resize};
use serde_json::{Map, Value};

use super::{StatedFields, rows_and_columns, sides};

type Object = Map<String, Value>;

/// Parts of the names of metadata keys with a whole configuration.
const WHOLE: [&str; 6] = [
    "preprocess",
    "config",
    "cfg",
    "transform",
    "processor",
    "normali",
];

/// The statements in the metadata of a file: in separate keys, or in a JSON object under one key.
pub(super) fn of_metadata(metadata: &BTreeMap<String, String>) -> Vec<StatedFields> {
    let flat = metadata
        .iter()
        .map(|(key, text)| (key.clone(), value(text)));
    let flat = stated(&flat.collect(), "its metadata");
    let is_whole = |key: &str| {
        let key = key.to_lowercase();
        !key.starts_with("dvm.") && WHOLE.iter().any(|part| key.contains(part))
    };
    let whole = metadata.iter().filter(|(key, _)| is_whole(key));
    let whole = whole.filter_map(|(key, text)| {
        let object: Object = serde_json::from_str(text).ok()?;
        stated(&object, &format!("its metadata `{key}`"))
    });
    flat.into_iter().chain(whole).collect()
}

// Numbers with commas between them.
/// A text parsed as JSON, a tuple as a list; any other text unchanged.
fn value(text: &str) -> Value {
    let text = text.trim();
    let list = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    let list = list.map(|inner| format!("[{}]", inner.trim_end_matches(',')));
    let json = list.as_deref().unwrap_or(text);
    if let Ok(value) = serde_json::from_str(json) {
        return value;
    }
    // Numbers with commas between them.
    serde_json::from_str(&format!("[{json}]")).unwrap_or_else(|_| text.into())
}

/// The statements of a configuration, if any.
pub(super) fn stated(config: &Object, from: &str) -> Option<StatedFields> {
    for inner in [
        "pretrained_cfg",
        "default_cfg",
        "preprocess",
        "image_processor",
    ] {
        if let Some(Value::Object(inner)) = config.get(inner)
            && let Some(stated) = stated_here(inner, from)
        {
            return Some(stated);
        }
    }
    stated_here(config, from)
}

fn stated_here(config: &Object, from: &str) -> Option<StatedFields> {
    let is_transformers = [
        "image_mean",
        "do_normalize",
        "do_resize",
        "image_processor_type",
    ]
    .iter()
    .any(|key| config.contains_key(*key));
    let stated = match is_transformers {
        true => transformers(config),
        false => timm(config),
    };
    let stated = StatedFields {
        from: from.into(),
        channels: stated.channels.or_else(|| order(config)),
        ..stated
    };
    (!stated.fields().is_empty()).then_some(stated)
}

/// The preprocessing of timm's `create_transform` for evaluation.
fn timm(config: &Object) -> StatedFields {
    let size = ["input_size", "img_size", "imgsz", "image_size"];
    let size = size.into_iter().find_map(|key| config.get(key));
    let crop = size.and_then(pair);
    let share = number(config.get("crop_pct")).filter(|share| *share > 0.0 && *share <= 1.0);
    let scaled = |side: usize, share: f64| (side as f64 / share).floor() as usize;
    let resize = crop.zip(share).map(|((height, width), share)| {
        let squashes = config.get("crop_mode").and_then(Value::as_str) == Some("squash");
        match height == width && !squashes {
            true => Resize::ShortSide(scaled(height, share)),
            false => Resize::Exact(scaled(height, share), scaled(width, share)),
        }
    });
    let (mean, std) = in_unit_range(
        three(config.get("mean").or(config.get("mean_values"))),
        three(config.get("std").or(config.get("scale_values"))),
    );
    StatedFields {
        resize,
        interpolation: config.get("interpolation").and_then(filter),
        crop,
        mean,
        std,
        ..StatedFields::default()
    }
}

/// Converts means and deviations of pixels from 0 to 255 to those of pixels from 0 to 1.
fn in_unit_range(
    mean: Option<[f64; 3]>,
    std: Option<[f64; 3]>,
) -> (Option<[f32; 3]>, Option<[f32; 3]>) {
    let is_large = |values: Option<[f64; 3]>| values.is_some_and(|v| v.iter().any(|v| *v > 2.0));
    let scale = if is_large(mean) || is_large(std) {
        255.0
    } else {
        1.0
    };
    let scaled = |values: [f64; 3]| values.map(|value| (value / scale) as f32);
    (mean.map(scaled), std.map(scaled))
}

/// The preprocessing of transformers' image processors: resize, centre crop, rescale, normalise.
fn transformers(config: &Object) -> StatedFields {
    let says = |key: &str, usual: bool| config.get(key).and_then(Value::as_bool).unwrap_or(usual);
    let kind = ["image_processor_type", "feature_extractor_type"];
    let kind = kind.into_iter().find_map(|key| config.get(key)?.as_str());
    let kind = kind.unwrap_or_default().to_lowercase();
    let crops = says("do_center_crop", false);
    let cut = config.get("crop_size").and_then(pair).filter(|_| crops);
    let share = number(config.get("crop_pct")).filter(|share| *share > 0.0 && *share <= 1.0);
    let share = share.or(kind.contains("convnext").then_some(224.0 / 256.0));
    let edge = config.get("size").and_then(|size| match size {
        Value::Number(side) => (crops || share.is_some()).then_some(side.as_u64()? as usize),
        Value::Object(size) => Some(size.get("shortest_edge")?.as_u64()? as usize),
        _ => None,
    });
    let exact = config.get("size").and_then(pair).filter(|_| edge.is_none());
    let scaled = |side: usize, share: f64| (side as f64 / share) as usize;
    let (resize, crop) = match (edge, exact, share) {
        _ if !says("do_resize", true) => (Some(Resize::None), cut),
        // ConvNeXt's crop is part of the resizing, and large pictures are not cropped.
        (Some(edge), _, Some(share)) if !crops => match edge < 384 {
            true => (
                Some(Resize::ShortSide(scaled(edge, share))),
                Some((edge, edge)),
            ),
            false => (Some(Resize::Exact(edge, edge)), Some((edge, edge))),
        },
        (Some(edge), _, Some(share)) => (Some(Resize::ShortSide(scaled(edge, share))), cut),
        (Some(edge), _, None) if kind.contains("levit") => {
            (Some(Resize::ShortSide(edge * 256 / 224)), cut)
        }
        (Some(edge), _, None) => (Some(Resize::ShortSide(edge)), cut),
        (None, Some((height, width)), _) => (
            Some(Resize::Exact(height, width)),
            cut.or(Some((height, width))),
        ),
        (None, None, _) => (None, cut),
    };
    let mean = three(config.get("image_mean"));
    let std = three(config.get("image_std"));
    let normalises = says("do_normalize", mean.is_some());
    let factor = match says("do_rescale", true) {
        true => number(config.get("rescale_factor")).unwrap_or(1.0 / 255.0),
        false => 1.0,
    };
    // Values are p · factor − offset; ours are p / 255.
    let scale = factor * 255.0;
    let offset = if says("rescale_offset", false) {
        1.0
    } else {
        0.0
    };
    let (mean, std) = match (normalises, mean, std) {
        (false, ..) => (Some([0.0; 3]), Some([1.0; 3])),
        (true, mean, std) => (mean, std),
    };
    StatedFields {
        resize,
        interpolation: config.get("resample").and_then(filter),
        crop,
        channels: says("do_flip_channel_order", false).then_some(Channels::Bgr),
        mean: mean.map(|mean| mean.map(|m| ((m + offset) / scale) as f32)),
        std: std.map(|std| std.map(|s| (s / scale) as f32)),
        ..StatedFields::default()
    }
}

/// A channel order under one of the keys that tools use.
fn order(config: &Object) -> Option<Channels> {
    let named = [
        "channel_order",
        "color_order",
        "colour_order",
        "color_format",
    ];
    let named = named.into_iter().find_map(|key| config.get(key)?.as_str());
    if let Some(channels) = named.and_then(|name| name.parse().ok()) {
        return Some(channels);
    }
    let reverses = config.get("reverse_input_channels")?;
    let yes = reverses.as_bool().or_else(|| match reverses.as_str()? {
        "True" | "true" | "YES" => Some(true),
        _ => None,
    });
    yes?.then_some(Channels::Bgr)
}

/// A filter by name, or by Pillow's number.
fn filter(value: &Value) -> Option<Interpolation> {
    let name = value.as_str().map(str::to_lowercase);
    match (name.as_deref(), value.as_u64()) {
        (Some("bilinear"), _) | (_, Some(2)) => Some(Interpolation::Bilinear),
        (Some("bicubic"), _) | (_, Some(3)) => Some(Interpolation::Bicubic),
        _ => None,
    }
}

fn number(value: Option<&Value>) -> Option<f64> {
    value?.as_f64().filter(|number| number.is_finite())
}

/// Three numbers, or one for all.
fn three(value: Option<&Value>) -> Option<[f64; 3]> {
    match value? {
        Value::Array(values) => match &values[..] {
            [one] => Some([one.as_f64()?; 3]),
            [a, b, c] => Some([a.as_f64()?, b.as_f64()?, c.as_f64()?]),
            _ => None,
        },
        one => Some([one.as_f64()?; 3]),
    }
}

/// Rows and columns: a number, a list, an object with `height` and `width`, or a text.
fn pair(value: &Value) -> Option<(usize, usize)> {
    let side = |value: &Value| usize::try_from(value.as_u64()?).ok();
    match value {
        Value::Object(size) => Some((side(size.get("height")?)?, side(size.get("width")?)?)),
        Value::Array(values) => {
            let values: Option<Vec<usize>> = values.iter().map(side).collect();
            rows_and_columns(&values?)
        }
        Value::String(text) => rows_and_columns(&sides(text)?),
        one => side(one).map(|side| (side, side)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvm_image::Preprocess;

    fn of(json: &str) -> StatedFields {
        stated(&serde_json::from_str(json).unwrap(), "here").unwrap()
    }

    #[test]
    fn a_configuration_of_timm_is_read_as_its_transforms() {
        let stated = of(
            r#"{"pretrained_cfg": {"input_size": [3, 288, 288], "interpolation": "bicubic",
                "crop_pct": 0.95, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#,
        );
        assert_eq!(stated.crop, Some((288, 288)));
        // math.floor(288 / 0.95)
        assert_eq!(stated.resize, Some(Resize::ShortSide(303)));
        assert_eq!(stated.interpolation, Some(Interpolation::Bicubic));
        assert_eq!(stated.mean, Some([0.5; 3]));
    }

    #[test]
    fn means_from_0_to_255_are_converted_to_0_to_1() {
        let stated = of(r#"{"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}"#);
        let imagenet = Preprocess::imagenet();
        for (found, expected) in [
            (stated.mean.unwrap(), imagenet.mean),
            (stated.std.unwrap(), imagenet.std),
        ] {
            let near = found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near, "{found:?}");
        }
    }

    #[test]
    fn an_image_processor_of_transformers_is_read_as_its_steps() {
        let vit = of(
            r#"{"do_normalize": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5], "resample": 2, "size": {"height": 224, "width": 224}}"#,
        );
        assert_eq!(vit.resize, Some(Resize::Exact(224, 224)));
        assert_eq!(vit.crop, Some((224, 224)));
        assert_eq!(vit.std, Some([0.5; 3]));
        let mobilevit = of(
            r#"{"do_center_crop": true, "do_flip_channel_order": true, "do_rescale": true,
                "do_resize": true, "crop_size": {"height": 256, "width": 256}, "resample": 3,
                "size": {"shortest_edge": 288}}"#,
        );
        assert_eq!(mobilevit.channels, Some(Channels::Bgr));
        assert_eq!(mobilevit.resize, Some(Resize::ShortSide(288)));
        assert_eq!(mobilevit.crop, Some((256, 256)));
        assert_eq!(mobilevit.mean, Some([0.0; 3]));
        let convnext = of(
            r#"{"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875,
                "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
                "size": {"shortest_edge": 224}, "resample": 3}"#,
        );
        assert_eq!(convnext.resize, Some(Resize::ShortSide(256)));
        assert_eq!(convnext.crop, Some((224, 224)));
        let efficientnet = of(
            r#"{"do_rescale": true, "rescale_factor": 0.00784313725490196, "rescale_offset": true,
                "do_normalize": false, "size": {"height": 600, "width": 600}}"#,
        );
        assert_eq!(efficientnet.resize, Some(Resize::Exact(600, 600)));
    }

    #[test]
    fn metadata_in_separate_keys_is_read() {
        let metadata = BTreeMap::from([
            ("mean".to_owned(), "(0.5, 0.4, 0.3)".to_owned()),
            ("std".to_owned(), "0.2, 0.2, 0.2".to_owned()),
            ("input_size".to_owned(), "[3, 96, 96]".to_owned()),
            ("channel_order".to_owned(), "BGR".to_owned()),
        ]);
        let stated = &of_metadata(&metadata)[0];
        assert_eq!(stated.mean, Some([0.5, 0.4, 0.3]));
        assert_eq!(stated.std, Some([0.2; 3]));
        assert_eq!(stated.crop, Some((96, 96)));
        assert_eq!(stated.channels, Some(Channels::Bgr));
        assert!(of_metadata(&BTreeMap::from([("author".into(), "me".into())])).is_empty());
    }
}
