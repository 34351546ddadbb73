//! Published weights, compared with torchvision's (`references/published.py`).

use dvm_image::{Channels, Preprocess, Resize};
use dvm_zoo::{Architecture, Published, Source};
use serde_json::{Value, json};

fn expected() -> Vec<Value> {
    serde_json::from_str(include_str!("references/published.json")).expect("a list")
}

fn torchvisions() -> impl Iterator<Item = (&'static Architecture, &'static Published)> {
    let all = dvm_zoo::all().flat_map(|a| a.published.iter().map(move |published| (a, published)));
    all.filter(|(_, published)| matches!(published.source, Source::Torchvision { .. }))
}

/// The decimal number of an f32, as f64.
fn number(value: f32) -> f64 {
    value.to_string().parse().expect("a number")
}

/// An entry in the script's format, without the licence.
fn described(architecture: &Architecture, published: &Published) -> Value {
    let Preprocess {
        range: _,
        resize,
        interpolation,
        crop,
        mean,
        std,
        channels: Channels::Rgb,
    } = &published.preprocess
    else {
        panic!("torchvision's networks take red, green and blue");
    };
    let Resize::ShortSide(side) = resize else {
        panic!("torchvision resizes to a short side");
    };
    assert_eq!(crop.0, crop.1);
    json!({
        "name": architecture.name,
        "tag": published.tag,
        "file": published.source.file(),
        "top1": number(published.top1),
        "resize": side,
        "crop": crop.0,
        "interpolation": interpolation,
        "mean": mean.map(number),
        "std": std.map(number),
    })
}

#[test]
fn every_published_weight_file_equals_torchvisions_entry() {
    let mut expected = expected();
    for entry in &mut expected {
        entry.as_object_mut().expect("an object").remove("licence");
    }
    for (architecture, published) in torchvisions() {
        let found = described(architecture, published);
        assert!(expected.contains(&found), "torchvision has no {found}");
    }
}

#[test]
fn no_weight_file_of_torchvision_is_missing() {
    for entry in expected() {
        let is_own = entry["licence"] == "torchvision's own";
        let name = entry["name"].as_str().expect("a name");
        if !is_own || dvm_zoo::find(name).is_none_or(|a| a.name != name) {
            continue;
        }
        let mut all = torchvisions();
        let is_there = all.any(|(a, p)| a.name == name && p.tag == entry["tag"]);
        assert!(is_there, "{entry}");
    }
}

#[test]
fn every_file_of_torchvision_is_named_after_its_checksum() {
    for (architecture, published) in torchvisions() {
        let file = published.source.file();
        let stem = file.strip_suffix(".pth").expect("a file of PyTorch's");
        let (_, digits) = stem.rsplit_once('-').expect("a dash");
        let is_hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let name = architecture.name;
        assert!(is_hexadecimal && digits.len() >= 8, "{name}: {file}");
    }
}

#[test]
fn pictures_are_cropped_to_the_input_size() {
    for (name, size) in [("inception_v3", 299), ("resnet50", 224)] {
        let architecture = dvm_zoo::find(name).expect("an architecture");
        assert_eq!(architecture.input_size(), (size, size));
    }
}
