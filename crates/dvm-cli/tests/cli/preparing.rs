//! Preprocessing: assumptions give a warning until an option sets the value.

use crate::{COFFEE, dvm, explain, text};

const PLAIN: &str = "crates/dvm/tests/references/preparing/plain.onnx";

/// The warning about assumptions with these options.
fn warning(options: &[&str]) -> String {
    let all = [&["classify", COFFEE, "--model", PLAIN][..], options].concat();
    let run = dvm(&all).exits(0);
    let lines = run.stderr.lines().filter(|line| line.contains("assumed: "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_option_sets_no_other_field() {
    for options in [
        "--size 64",
        "--resize 64",
        "--interpolation bilinear",
        "--size 64 --resize 64 --interpolation bicubic",
    ] {
        let warning = warning(&[options]);
        for words in [
            "ImageNet's mean and deviation; RGB channels",
            "--mean, --std, --channel-order",
        ] {
            assert!(warning.contains(words), "{warning}");
        }
        for flag in options.split(' ').filter(|word| word.starts_with("--")) {
            assert!(!warning.contains(&format!("{flag},")), "{flag}: {warning}");
        }
    }
    let warning_for_mean = warning(&["--mean 0.5"]);
    assert!(
        warning_for_mean.contains("assumed: deviation 0.229"),
        "{warning_for_mean}"
    );
    let all = ["--mean 0 --std 1 --channel-order bgr --resize 64 --interpolation bicubic"];
    assert_eq!(warning(&all), "");
    assert_eq!(warning(&["--preprocess imagenet --size 64"]), "");
}

#[test]
fn assumptions_and_channel_order_are_in_the_record() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let options = "--method gradient --channel-order bgr --size 64 --model";
    explain(&out, &[COFFEE, options, PLAIN]).exits(0);
    let record = crate::record(&out.join("coffee"));
    let preprocess = &record["model"]["preprocess"];
    assert_eq!(preprocess["channels"], "bgr");
    // Assumed means move with their channels.
    assert_eq!(preprocess["mean"], serde_json::json!([0.406, 0.456, 0.485]));
    let warning = record["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("ImageNet's mean and deviation"),
        "{warning}"
    );
    assert!(!warning.contains("--"), "{warning}");
}

#[test]
fn a_mostly_cut_off_picture_gives_a_note_with_the_option_to_use() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("long.png");
    let long = dvm::Picture::filled(20, 300, [200, 120, 40]);
    std::fs::write(&path, dvm::encode_png(&long)).unwrap();
    let run = dvm(&["classify", text(&path), "--model", PLAIN]).exits(0);
    run.says("of this picture");
    run.says("--resize 64x64");
    let whole = ["classify", text(&path), "--model", PLAIN, "--resize 64x64"];
    dvm(&whole).does_not_say("of this picture");
}
