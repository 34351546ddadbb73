//! `dvm compare`: files, output, errors.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::train::colours;
use crate::{CHELSEA, COFFEE, Run, dvm, text};

/// Two fast methods on pictures of 64 pixels.
fn compare(out: &Path, more: &[&str]) -> Run {
    let mut all = vec!["compare", "--out", text(out), "--model", "squeezenet1_1"];
    all.extend(["--method", "gradient,grad-cam", "--metrics", "sparseness"]);
    all.extend(["--size", "64", "--resize", "64x64"]);
    all.extend(more);
    dvm(&all)
}

#[test]
fn methods_are_compared_on_every_picture_and_all_files_are_written() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("compared");
    let run = compare(&out, &[COFFEE, CHELSEA]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for part in [
        "2 pictures",
        "sparseness",
        "grad-cam",
        "random (control)",
        "edges (control)",
        " ± ",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    let files = crate::names(&out);
    let expected = [
        "compare.csv",
        "compare.json",
        "compare.pdf",
        "compare.png",
        "compare.svg",
        "measurements.jsonl",
    ];
    assert_eq!(files, expected);
    let json: Value = serde_json::from_slice(&fs::read(out.join("compare.json")).unwrap()).unwrap();
    assert_eq!(json["pictures"], 2);
    assert_eq!(json["methods"][1]["name"], "grad-cam");
    assert_eq!(json["methods"][3]["control"], true);
    assert!(json["model"]["weights_sha256"].is_string());
}

#[test]
fn a_second_comparison_is_an_error_and_a_resumed_one_measures_only_the_rest() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("compared");
    assert_eq!(compare(&out, &[COFFEE, CHELSEA, "--quiet"]).code, Some(0));
    let path = out.join("measurements.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let again = compare(&out, &[COFFEE, CHELSEA]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("--resume"), "{}", again.stderr);
    // As if the program had been killed while it wrote the second picture.
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let resumed = compare(&out, &[COFFEE, CHELSEA, "--resume"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    assert!(
        resumed.stderr.contains("measured already: 1"),
        "{}",
        resumed.stderr
    );
    let lines: Vec<String> = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(String::from)
        .collect();
    let before: Vec<&str> = whole.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[..2], before[..2]);
    let other = compare(&out, &[COFFEE, "--resume"]);
    assert_eq!(other.code, Some(2));
    assert!(other.stderr.contains("the pictures"), "{}", other.stderr);
}

#[test]
fn pictures_of_a_data_set_are_chosen_evenly_and_explained_for_their_true_class() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let names = home.path().join("names.txt");
    let classes: Vec<String> = (0..1000)
        .map(|index| match index {
            7 => "blue".into(),
            400 => "red".into(),
            index => format!("thing {index}"),
        })
        .collect();
    fs::write(&names, classes.join("\n")).unwrap();
    let out = home.path().join("compared");
    let more = [
        text(&set),
        "--classes",
        text(&names),
        "--class",
        "true",
        "--limit",
        "2",
        "--seed",
        "3",
        "--json",
    ];
    let run = compare(&out, &more);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("2 of 4 pictures"), "{}", run.stderr);
    let json = run.json();
    assert_eq!((&json["pictures"], &json["seed"]), (&2.into(), &3.into()));
    let lines = fs::read_to_string(out.join("measurements.jsonl")).unwrap();
    let mut found: Vec<String> = lines
        .lines()
        .skip(1)
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["class"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    found.sort();
    assert_eq!(found, ["blue", "red"]);
}

#[test]
fn a_failed_picture_is_named_and_wrong_arguments_are_errors() {
    let home = tempfile::tempdir().unwrap();
    let broken = home.path().join("broken.png");
    fs::write(&broken, "nothing").unwrap();
    let run = compare(&home.path().join("some"), &[text(&broken), COFFEE]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("broken.png"), "{}", run.stderr);
    assert!(run.stdout.contains("1 picture;"), "{}", run.stdout);
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let out = home.path().join("none");
    for (arguments, why) in [
        (vec![text(&empty)], "no picture in this folder"),
        (vec![text(&broken)], "broken.png"),
        (vec![COFFEE, "--class", "no such thing"], "no such thing"),
        (vec![COFFEE, "--class", "true"], "true class is not known"),
        (vec![COFFEE, "--split", "val"], "--split"),
        (
            vec![COFFEE, "--window", "9"],
            "not one of the chosen methods",
        ),
    ] {
        let run = compare(&out, &arguments);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    let twice = dvm(&["compare", COFFEE, "--method", "gradient,gradient"]);
    assert!(twice.stderr.contains("named twice"), "{}", twice.stderr);
    let unknown = dvm(&["compare", COFFEE, "--metrics", "sparsness"]);
    assert_eq!(unknown.code, Some(2));
}
