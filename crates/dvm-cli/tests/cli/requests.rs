//! Requests that cannot be carried out: exit code 2, and what to do instead.

use std::fs;

use crate::{COFFEE, dvm, text};

/// The arguments after `dvm explain coffee.png` are refused before anything is written, with a
/// message that has these words.
fn refused(arguments: &[&str], words: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("out");
    let first = ["explain", COFFEE, "--out", text(&folder)];
    let run = dvm(&[&first[..], arguments].concat());
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    assert!(!folder.exists());
}

#[test]
fn what_does_not_exist_is_refused_with_what_does() {
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
fn a_value_that_an_option_does_not_take_is_refused() {
    refused(&["--window", "0"], &["--window", "`0`", "20x30"]);
    refused(&["--fill", "puce"], &["--fill", "`puce`", "mean"]);
    refused(&["--threads", "0"], &["--threads"]);
    refused(&["--memory", "much"], &["--memory", "512MB"]);
}

#[test]
fn an_option_of_a_method_that_was_not_asked_for_is_refused() {
    let words = ["`window` is an option of occlusion"];
    refused(&["--method", "gradient", "--window", "20"], &words);
}

#[test]
fn a_method_named_twice_is_refused() {
    refused(&["--method", "gradient,gradient"], &["twice"]);
}

#[test]
fn a_network_without_weights_names_the_file_to_get() {
    refused(&["--model", "resnet18"], &["resnet18-f37072fd.pth"]);
}

#[test]
fn files_that_are_not_what_they_should_be_are_named_once() {
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
        let run = dvm(&["classify", COFFEE, option, text(&file)]);
        assert_eq!(run.code, Some(2), "{option}");
        assert_eq!(run.stderr.matches(text(&file)).count(), 1, "{}", run.stderr);
    }
    refused(&["--classes", "missing.txt"], &["missing.txt"]);
    refused(
        &["--preprocess", "missing.json"],
        &["missing.json", "`imagenet`"],
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let run = dvm(&["explain", COFFEE, "--out", "Cargo.toml"]);
    assert_eq!(run.code, Some(2));
    assert!(
        run.stderr.contains("cannot write Cargo.toml"),
        "{}",
        run.stderr
    );
}

#[test]
fn no_picture_at_all_is_refused() {
    assert_eq!(dvm(&["explain"]).code, Some(2));
    assert_eq!(dvm(&["classify"]).code, Some(2));
    assert_eq!(dvm(&[]).code, Some(2));
}
