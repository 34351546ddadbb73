//! Wrong arguments: exit status 2, and what to do instead.

use std::fs;

use crate::{COFFEE, dvm, text};

/// Checks that `dvm explain coffee.png` with these arguments fails before it writes anything, with a message that
/// contains these words.
fn refused(arguments: &[&str], words: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("out");
    let first = ["explain", COFFEE, "--out", text(&folder)];
    let run = dvm(&[&first[..], arguments].concat()).exits(2);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    for word in words {
        run.says(word);
    }
    assert!(!folder.exists());
}

#[test]
fn unknown_names_are_errors_with_suggestions() {
    refused(&["--model", "vgg99"], &["`vgg99`", "did you mean `vgg19`"]);
    refused(
        &["--model", "my_network"],
        &["`dvm models list`", "torch.onnx.export"],
    );
    refused(&["--method", "magic"], &["magic", "occlusion"]);
    refused(&["--class", "expresso"], &["`expresso`", "`espresso`"]);
    refused(&["--class", "qqqqqqqq"], &["`qqqqqqqq`", "dvm models show"]);
    refused(&["--class", "1000"], &["1000", "0 to 999"]);
    refused(&["--colour-map", "jet"], &["jet", "inferno"]);
    refused(&["--preset", "zeiler"], &["--preset", "captum"]);
    refused(&["--overlay", "red"], &["red"]);
}

#[test]
fn invalid_values_of_options_are_errors() {
    refused(&["--window", "0"], &["--window", "`0`", "20x30"]);
    refused(&["--fill", "puce"], &["--fill", "`puce`", "mean"]);
    refused(&["--threads", "0"], &["--threads"]);
    refused(&["--memory", "much"], &["--memory", "512MB"]);
}

#[test]
fn an_option_of_a_method_that_is_not_chosen_is_an_error() {
    let words = ["`window` is an option of occlusion"];
    refused(&["--method", "gradient", "--window", "20"], &words);
}

#[test]
fn a_method_named_twice_is_an_error() {
    refused(&["--method", "gradient,gradient"], &["twice"]);
}

#[test]
fn the_error_for_missing_weights_names_the_file() {
    refused(&["--model", "resnet18"], &["resnet18-f37072fd.pth"]);
}

#[test]
fn errors_name_wrong_files_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("three.txt");
    fs::write(&file, "one\ntwo\nthree\n").unwrap();
    for (option, why) in [
        ("--classes", "3 class names"),
        ("--preprocess", "not a preprocessing"),
        ("--weights", "not weights"),
        ("--model", "not weights"),
    ] {
        refused(&[option, text(&file)], &[text(&file), why]);
        let run = dvm(&["classify", COFFEE, option, text(&file)]).exits(2);
        assert_eq!(run.stderr.matches(text(&file)).count(), 1, "{}", run.stderr);
    }
    refused(&["--classes", "missing.txt"], &["missing.txt"]);
    refused(
        &["--preprocess", "missing.json"],
        &["missing.json", "`imagenet`"],
    );
}

#[test]
fn a_folder_that_cannot_be_created_is_an_error() {
    dvm(&["explain", COFFEE, "--out", "Cargo.toml"])
        .exits(2)
        .says("cannot write Cargo.toml");
}

#[test]
fn no_picture_is_an_error() {
    dvm(&["explain"]).exits(2);
    dvm(&["classify"]).exits(2);
    dvm(&[]).exits(2);
}
