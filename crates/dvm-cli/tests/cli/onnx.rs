//! ONNX files as networks.

use crate::{COFFEE, dvm, explain, text};

const FILES: &str = "crates/dvm-onnx/tests/references";

fn file(name: &str) -> String {
    format!("{FILES}/{name}.onnx")
}

#[test]
fn preprocessing_and_classes_are_assumed_with_warnings() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let run = explain(
        &out,
        &[COFFEE, "--method gradient --model", &file("cnn_one")],
    )
    .exits(0);
    run.says("does not describe its preprocessing");
    run.says("has no class names");
    let record = crate::record(&out.join("coffee"));
    assert_eq!(record["warnings"].as_array().unwrap().len(), 3);
    assert_eq!(record["model"]["architecture"], "cnn_one");
}

#[test]
fn flags_set_the_preprocessing_and_a_file_the_class_names() {
    let home = tempfile::tempdir().unwrap();
    let names = home.path().join("names.txt");
    std::fs::write(&names, "a\nb\nc\nd\ne\n").unwrap();
    let model = file("cnn_open_script");
    let out = home.path().join("network.safetensors");
    let convert = [
        "models",
        "convert",
        &model,
        text(&out),
        "--classes",
        text(&names),
    ];
    let more = [
        "--size 40x48 --resize none --mean 0.5 --std 0.1,0.2,0.3",
        "--interpolation bicubic --channel-order rgb --output logits",
    ];
    let run = dvm(&[&convert[..], &more].concat()).exits(0);
    assert_eq!(run.stderr, "");
    let maps = home.path().join("out");
    let run = explain(&maps, &[COFFEE, "--method gradient --model", text(&out)]).exits(0);
    // Nothing is assumed; a crop of 40×48 pixels without resizing is a small part of the picture.
    run.says("0.80 % of this picture");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let record = crate::record(&home.path().join("out/coffee"));
    let expected = serde_json::json!({
        "resize": "none", "interpolation": "bicubic", "crop": [40, 48],
        "channels": "rgb", "mean": [0.5, 0.5, 0.5], "std": [0.1, 0.2, 0.3],
    });
    assert_eq!(record["model"]["preprocess"], expected);
}

#[test]
fn a_network_that_normalises_gets_pixels_of_0_to_255() {
    dvm(&["classify", COFFEE, "--model", &file("normalising")])
        .exits(0)
        .says("pixels from 0 to 255");
}

#[test]
fn class_names_in_the_file_are_shown_and_a_dropped_softmax_is_noted() {
    let run = dvm(&["classify", COFFEE, "--model", &file("labelled"), "--json"]).exits(0);
    let name = &run.json()[0]["top"][0]["name"];
    assert!(
        ["cat", "dog", "owl"].map(Into::into).contains(name),
        "{name}"
    );
    run.says("softmax, is left out");
}

#[test]
fn occlusion_is_the_same_with_and_without_incremental_computation() {
    let home = tempfile::tempdir().unwrap();
    let raw = |name: &str, more: &[&str]| {
        let out = home.path().join(name);
        let model = file("cnn_open_dynamo");
        let options = "--method occlusion --exact --size 64 --window 12 --stride 8";
        explain(
            &out,
            &[&[COFFEE, options, "--model", &model], more].concat(),
        )
        .exits(0);
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
    let train = ["train", text(&set), "--model", &model, "--out", text(&out)];
    dvm(&[&train[..], &["--plain --epochs 1 --batch 3 --images 0"]].concat()).exits(0);
    let best = out.join("best.safetensors");
    dvm(&["evaluate", text(&best), text(&set), "--split val --json"]).exits(0);
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
    dvm(&["classify", COFFEE, "--model", text(&path)])
        .exits(2)
        .says("broken.onnx: not a complete ONNX file");
}
