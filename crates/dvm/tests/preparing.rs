//! Files with their preprocessing give the outputs of ONNX Runtime; assumptions about the rest are warnings.

use std::path::PathBuf;

use dvm::{Channels, Classifier, Explain, Picture, Preprocess, PreprocessField, Resize};
use dvm_testing::{references, repository};
use serde_json::Value;

fn file(name: &str) -> PathBuf {
    references::path("dvm", &format!("preparing/{name}.onnx"))
}

fn open(name: &str) -> Classifier {
    Classifier::read(&file(name)).unwrap()
}

fn picture(name: &str) -> Picture {
    let samples = repository::root().join("assets/samples");
    dvm::read(samples.join(format!("{name}.png"))).unwrap()
}

fn reference(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("references/preparing.json")).unwrap();
    all["cases"][name].clone()
}

fn assert_says(text: &str, words: &str) {
    assert!(text.contains(words), "{text}");
}

/// Compares logits and assumptions with the reference.
fn compare(name: &str) {
    let classifier = open(name);
    let expected = reference(name);
    let assumed = classifier.assumed().iter();
    let mut assumed: Vec<&str> = assumed.map(|field| field.name()).collect();
    assumed.sort_unstable();
    assert_eq!(Value::from(assumed), expected["assumed"], "{name}");
    for (sample, logits) in expected["logits"].as_object().unwrap() {
        let input = classifier.prepare(picture(sample)).unwrap();
        let found = classifier.classify(&input).unwrap().logits;
        let logits = logits.as_array().unwrap().iter();
        let logits: Vec<f32> = logits.map(|v| v.as_f64().unwrap() as f32).collect();
        let largest = logits.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (found, expected) in found.iter().zip(&logits) {
            assert!(
                (found - expected).abs() <= 2e-6 * largest.max(1.0),
                "{name}, {sample}: {found}, not {expected}"
            );
        }
    }
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { compare(stringify!($name)); })*
    };
}

cases!(
    plain,
    subtracts,
    subtracts_bgr,
    batch_norm,
    depthwise,
    swaps,
    behind_moves,
    image_scaler,
    doubles,
    bytes,
    bytes_quantised,
    grey,
    ultralytics,
    custom_vision,
    timm,
);

#[test]
fn an_assumption_stays_until_its_field_is_known() {
    use PreprocessField::{Crop, Interpolation, Mean, Resize as Resized, Std};
    let classifier = open("plain");
    let preprocess = classifier.preprocess().clone();
    let told = |classifier: &Classifier| classifier.warnings().collect::<Vec<_>>().join("\n");
    assert_says(&told(&classifier), "ImageNet's mean and deviation");
    let classifier = classifier
        .with_known_preprocess(preprocess.clone(), [Crop, Resized, Interpolation])
        .unwrap();
    let warnings = told(&classifier);
    assert_says(&warnings, "ImageNet's mean and deviation; RGB channels");
    assert!(!warnings.contains("resized"), "{warnings}");
    let classifier = classifier
        .with_known_preprocess(preprocess.clone(), [Mean, PreprocessField::Channels])
        .unwrap();
    assert_says(&told(&classifier), "assumed: deviation 0.229");
    let classifier = classifier.with_known_preprocess(preprocess, [Std]).unwrap();
    assert_eq!(classifier.preprocess_assumption(), None);
}

#[test]
fn a_converted_file_keeps_the_assumptions() {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["safetensors", "onnx"] {
        let path = folder.path().join(format!("plain.{ending}"));
        let classifier = open("plain");
        classifier.save(&path).unwrap();
        let again = Classifier::read(&path).unwrap();
        assert_eq!(again.assumed(), classifier.assumed(), "{ending}");
        let known = open("ultralytics");
        known.save(&path).unwrap();
        let again = Classifier::read(&path).unwrap();
        assert!(again.assumed().is_empty(), "{ending}");
    }
}

#[test]
fn class_names_are_read_from_metadata() {
    let classifier = open("ultralytics");
    assert_eq!(classifier.classes(), ["cat", "coffee", "dog's", "owl"]);
}

#[test]
fn configurations_beside_a_file_are_used_and_noted() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("onnx");
    std::fs::create_dir(&onnx).unwrap();
    let path = onnx.join("model.onnx");
    std::fs::copy(file("plain"), &path).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "preprocessor_config.json",
        r#"{"do_normalize": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.25, 0.25, 0.25], "resample": 3, "size": {"height": 64, "width": 64}}"#,
    );
    write(
        "config.json",
        r#"{"model_type": "vit", "id2label": {"0": "a", "1": "b", "2": "c", "3": "d"}}"#,
    );
    let classifier = Classifier::read(&path).unwrap();
    let expected = Preprocess {
        range: dvm::Range::File,
        resize: Resize::Exact(64, 64),
        interpolation: dvm::Interpolation::Bicubic,
        crop: (64, 64),
        channels: Channels::Rgb,
        mean: [0.5; 3],
        std: [0.25; 3],
    };
    assert_eq!(classifier.preprocess(), &expected);
    assert_eq!(classifier.classes(), ["a", "b", "c", "d"]);
    let notes = classifier.notes().join("\n");
    assert_says(&notes, "preprocessor_config.json beside the file");
    // A configuration for another size belongs to another network.
    write(
        "preprocessor_config.json",
        r#"{"do_resize": true, "size": {"height": 224, "width": 224}, "image_mean": [0.5, 0.5, 0.5]}"#,
    );
    let classifier = Classifier::read(&path).unwrap();
    let warnings: Vec<String> = classifier.warnings().collect();
    assert_says(&warnings[0], "is for inputs of 224×224");
    assert_eq!(classifier.preprocess().mean, Preprocess::imagenet().mean);
}

#[test]
fn a_network_that_normalises_itself_is_not_normalised_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::copy(file("subtracts"), &path).unwrap();
    let text = r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 3}"#;
    std::fs::write(folder.path().join("preprocessor_config.json"), text).unwrap();
    let classifier = Classifier::read(&path).unwrap();
    assert_eq!(classifier.preprocess().mean, [0.0; 3]);
    let interpolation = classifier.preprocess().interpolation;
    assert_eq!(interpolation, dvm::Interpolation::Bicubic);
    assert_says(&classifier.notes().join("\n"), "are not applied");
}

#[test]
fn maps_of_a_grey_network_have_one_channel() {
    let classifier = open("grey");
    let options = Explain::methods("gradient,occlusion").unwrap();
    let explanation = &classifier.explain(picture("coffee"), &options).unwrap()[0];
    let (_, gradient) = explanation.maps().next().unwrap();
    assert_eq!(gradient.raw().shape, [1, 64, 64]);
    let pixels = explanation.crop().rgb().as_chunks::<3>().0;
    assert!(pixels.iter().all(|p| p[0] == p[1] && p[1] == p[2]));
    let maps: Vec<&[f32]> = explanation.maps().map(|(_, a)| &a.map[..]).collect();
    assert!(maps.iter().all(|map| map.iter().any(|v| *v != 0.0)));
}

#[test]
fn maps_of_a_bgr_network_match_those_of_a_network_that_swaps_channels() {
    // `swaps` reverses the channels and then computes the same as `subtracts_bgr`.
    let options = Explain::methods("gradient,occlusion").unwrap();
    let map = |name: &str, channels: Channels| {
        let classifier = open(name);
        assert_eq!(classifier.preprocess().channels, channels);
        let explanation = classifier.explain(picture("coffee"), &options).unwrap();
        let maps = explanation[0].maps().map(|(_, a)| a.map.clone());
        (explanation[0].crop().clone(), maps.collect::<Vec<_>>())
    };
    let outside = map("subtracts_bgr", Channels::Bgr);
    let inside = map("swaps", Channels::Rgb);
    assert_eq!(outside.0, inside.0);
    for (a, b) in outside.1.iter().zip(&inside.1) {
        let largest = b.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(largest > 0.0);
        let mut pairs = a.iter().zip(b);
        assert!(pairs.all(|(a, b)| (a - b).abs() <= 1e-5 * largest));
    }
}

#[test]
fn a_long_picture_gets_a_warning_with_the_share_of_its_crop() {
    let classifier = open("ultralytics");
    let long = Picture::filled(40, 600, [90, 60, 30]);
    let options = Explain::methods("gradient").unwrap();
    let explanation = &classifier.explain(long, &options).unwrap()[0];
    let mut warnings = explanation.warnings();
    let (_, warning) = warnings.find(|(from, _)| *from == "picture").unwrap();
    assert_says(&warning, "6.7 % of this picture");
    let record = explanation.record();
    assert_eq!(record["image"]["shown"], 0.0667);
    assert_eq!(
        record["image"]["crop_on_image"],
        serde_json::json!({"rows": [0.0, 40.0], "columns": [280.0, 320.0]})
    );
    assert_eq!(record["image"]["warnings"][0], warning);
}

#[test]
fn channels_that_the_network_does_not_have_are_an_error() {
    let grey = Preprocess::imagenet().with_channels(Channels::Grey);
    let error = open("plain").with_preprocess(grey).err().unwrap();
    assert_says(&error.to_string(), "expects 3 channels");
}

#[test]
fn inputs_that_are_not_pictures_are_errors_with_the_next_step() {
    let refused = |name: &str| {
        let error = Classifier::read(&file(name)).err().unwrap();
        error.to_string()
    };
    let rgba = refused("rgba");
    assert_says(&rgba, "its input `x` has 4 channels");
    assert_says(&rgba, "export it with three");
    let two = refused("two_pictures");
    for part in [
        "`image` (float32 [1, 3, 64, 64])",
        "`other`",
        "export it with one picture",
    ] {
        assert_says(&two, part);
    }
    let two = refused("two_inputs");
    assert_says(&two, "has the input `strength` beside the picture `image`");
}
