//! Weights published by timm, compared with the timm package (`references/published_by_timm.py`).

use dvm_image::{Interpolation, Resize};
use dvm_zoo::{Published, Source};
use serde_json::Value;

fn published() -> impl Iterator<Item = &'static Published> {
    dvm_zoo::all().flat_map(|architecture| architecture.published)
}

fn facts() -> Vec<Value> {
    let text = include_str!("references/published_by_timm.json");
    let facts: Vec<Value> = serde_json::from_str(text).unwrap();
    // The first entry has the versions that made the file.
    facts.into_iter().skip(1).collect()
}

fn is_of(published: &Published, fact: &Value) -> bool {
    match published.source {
        Source::HuggingFace { repository, .. } => fact["repository"] == repository,
        Source::Timm { file } => fact["file"] == file,
        Source::Torchvision { .. } => false,
    }
}

#[test]
fn preprocessing_equals_timms() {
    for fact in facts() {
        let found = published().find(|p| is_of(p, &fact));
        let found = found.unwrap_or_else(|| panic!("no weights of {}", fact["name"]));
        let name = fact["name"].as_str().unwrap();
        let preprocess = &found.preprocess;
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        assert_eq!(
            preprocess.resize,
            Resize::ShortSide(number(&fact["short_side"])),
            "{name}"
        );
        let crop = (number(&fact["crop"][0]), number(&fact["crop"][1]));
        assert_eq!(preprocess.crop, crop, "{name}");
        let interpolation = match fact["interpolation"].as_str().unwrap() {
            "bilinear" => Interpolation::Bilinear,
            _ => Interpolation::Bicubic,
        };
        assert_eq!(preprocess.interpolation, interpolation, "{name}");
        let three = |key: &str| -> Vec<f32> {
            let values = fact[key].as_array().unwrap().iter();
            values.map(|v| v.as_f64().unwrap() as f32).collect()
        };
        assert_eq!(preprocess.mean.to_vec(), three("mean"), "{name}");
        assert_eq!(preprocess.std.to_vec(), three("std"), "{name}");
        let licence = found.licence.to_ascii_lowercase();
        assert_eq!(fact["licence"], licence, "{name}");
        assert!(
            name.ends_with(&format!(".{}", found.tag)),
            "{name}: {}",
            found.tag
        );
    }
}

#[test]
fn all_weights_of_the_hub_exist_in_timm() {
    let facts = facts();
    for published in published() {
        if let Source::HuggingFace { repository, .. } = published.source {
            assert!(
                facts.iter().any(|fact| is_of(published, fact)),
                "{repository}"
            );
        }
    }
}
