//! ONNX files as networks.

use std::path::Path;

use crate::{COFFEE, dvm, text};

const FILES: &str = "crates/dvm-onnx/tests/references";

fn file(name: &str) -> String {
    format!("{FILES}/{name}.onnx")
}

#[test]
fn preprocessing_and_classes_are_assumed_with_warnings() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let run = dvm(&[
        "explain",
        COFFEE,
        "--model",
        &file("cnn_one"),
        "--method",
        "gradient",
        "--out",
        text(&out),
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("does not describe its preprocessing"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("has no class names"), "{}", run.stderr);
    let record = std::fs::read_to_string(out.join("coffee/explanation.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["warnings"].as_array().unwrap().len(), 3);
    assert_eq!(record["model"]["architecture"], "cnn_one");
}

#[test]
fn flags_set_the_preprocessing_and_a_file_the_class_names() {
    let home = tempfile::tempdir().unwrap();
    let names = home.path().join("names.txt");
    std::fs::write(&names, "a\nb\nc\nd\ne\n").unwrap();
    let model = file("cnn_open_script");
    let mut all = vec!["models", "convert", &model];
    let out = home.path().join("network.safetensors");
    all.extend([
        text(&out),
        "--classes",
        text(&names),
        "--size",
        "40x48",
        "--resize",
        "none",
    ]);
    all.extend([
        "--mean",
        "0.5",
        "--std",
        "0.1,0.2,0.3",
        "--interpolation",
        "bicubic",
        "--channel-order",
        "rgb",
    ]);
    all.extend(["--output", "logits"]);
    let run = dvm(&all);
    assert_eq!((run.code, &run.stderr[..]), (Some(0), ""));
    let run = dvm(&[
        "explain",
        COFFEE,
        "--model",
        text(&out),
        "--method",
        "gradient",
        "--out",
        text(&home.path().join("out")),
    ]);
    // Nothing is assumed; a crop of 40×48 pixels without resizing is a small part of the picture.
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("0.80 % of this picture"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let record = std::fs::read_to_string(home.path().join("out/coffee/explanation.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let expected = serde_json::json!({
        "resize": "none", "interpolation": "bicubic", "crop": [40, 48],
        "channels": "rgb", "mean": [0.5, 0.5, 0.5], "std": [0.1, 0.2, 0.3],
    });
    assert_eq!(record["model"]["preprocess"], expected);
}

#[test]
fn a_network_that_normalises_gets_pixels_of_0_to_255() {
    let run = dvm(&["classify", COFFEE, "--model", &file("normalising")]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("pixels from 0 to 255"),
        "{}",
        run.stderr
    );
}

#[test]
fn class_names_in_the_file_are_shown_and_a_dropped_softmax_is_noted() {
    let run = dvm(&["classify", COFFEE, "--model", &file("labelled"), "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let name = &run.json()[0]["top"][0]["name"];
    assert!(
        ["cat", "dog", "owl"].map(Into::into).contains(name),
        "{name}"
    );
    assert!(
        run.stderr.contains("softmax, is left out"),
        "{}",
        run.stderr
    );
}

#[test]
fn occlusion_is_the_same_with_and_without_incremental_computation() {
    let home = tempfile::tempdir().unwrap();
    let raw = |name: &str, more: &[&str]| {
        let out = home.path().join(name);
        let model = file("cnn_open_dynamo");
        let mut all = vec![
            "explain",
            COFFEE,
            "--model",
            &model,
            "--method",
            "occlusion",
            "--exact",
        ];
        all.extend([
            "--size",
            "64",
            "--window",
            "12",
            "--stride",
            "8",
            "--out",
            text(&out),
        ]);
        all.extend(more);
        let run = dvm(&all);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        std::fs::read(out.join("coffee/occlusion.npy")).unwrap()
    };
    assert!(raw("parts", &[]) == raw("whole", &["--no-incremental"]));
}

#[test]
fn an_onnx_file_is_fine_tuned_and_its_checkpoint_is_self_contained() {
    let home = tempfile::tempdir().unwrap();
    let set = crate::train::colours(home.path());
    let out = home.path().join("run");
    let model = file("cnn_script_17");
    let mut all = vec![
        "train",
        text(&set),
        "--model",
        &model,
        "--out",
        text(&out),
        "--plain",
    ];
    all.extend(["--epochs", "1", "--batch", "3", "--images", "0"]);
    let run = dvm(&all);
    assert!(
        Path::new(&out.join("best.safetensors")).exists(),
        "{}",
        run.stderr
    );
    let best = out.join("best.safetensors");
    let run = dvm(&[
        "evaluate",
        text(&best),
        text(&set),
        "--split",
        "val",
        "--json",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let blue = set.join("val/blue/0.png");
    let run = dvm(&["classify", text(&blue), "--model", text(&best), "--json"]);
    let top = run.json()[0]["top"].clone();
    assert_eq!(top.as_array().unwrap().len(), 2, "{}", run.stderr);
}

#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("broken.onnx");
    std::fs::write(&path, b"no network").unwrap();
    let run = dvm(&["classify", COFFEE, "--model", text(&path)]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("broken.onnx: not a complete ONNX file"),
        "{}",
        run.stderr
    );
}
