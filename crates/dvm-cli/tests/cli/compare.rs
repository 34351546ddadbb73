//! `dvm compare`: files, output, errors.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::train::colours;
use crate::{CHELSEA, COFFEE, NETWORK, Run, dvm, json_lines, text};

/// Two fast methods on pictures of 64 pixels.
fn compare(out: &Path, more: &[&str]) -> Run {
    let options = "--method gradient,grad-cam --metrics sparseness --size 64 --resize 64x64";
    dvm(&[&["compare", "--out", text(out), NETWORK, options], more].concat())
}

#[test]
fn methods_are_compared_on_every_picture_and_all_files_are_written() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("compared");
    let run = compare(&out, &[COFFEE, CHELSEA]).exits(0);
    for part in [
        "2 pictures",
        "sparseness",
        "grad-cam",
        "random (control)",
        "edges (control)",
        " ± ",
    ] {
        run.prints(part);
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
    compare(&out, &[COFFEE, CHELSEA, "--quiet"]).exits(0);
    let path = out.join("measurements.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    compare(&out, &[COFFEE, CHELSEA]).exits(2).says("--resume");
    // As if the program had been killed while it wrote the second picture.
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    compare(&out, &[COFFEE, CHELSEA, "--resume"])
        .exits(0)
        .says("measured already: 1");
    let after = fs::read_to_string(&path).unwrap();
    let [lines, before] = [&after, &whole].map(|text| text.lines().collect::<Vec<_>>());
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[..2], before[..2]);
    compare(&out, &[COFFEE, "--resume"])
        .exits(2)
        .says("the pictures");
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
        "--class true --limit 2 --seed 3 --json",
    ];
    let run = compare(&out, &more).exits(0);
    run.says("2 of 4 pictures");
    let json = run.json();
    assert_eq!((&json["pictures"], &json["seed"]), (&2.into(), &3.into()));
    let lines = json_lines(&out.join("measurements.jsonl"));
    let mut found: Vec<&str> = lines[1..]
        .iter()
        .map(|line| line["class"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, ["blue", "red"]);
}

#[test]
fn a_failed_picture_is_named_and_wrong_arguments_are_errors() {
    let home = tempfile::tempdir().unwrap();
    let broken = home.path().join("broken.png");
    fs::write(&broken, "nothing").unwrap();
    let run = compare(&home.path().join("some"), &[text(&broken), COFFEE]).exits(1);
    run.says("broken.png");
    run.prints("1 picture;");
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let out = home.path().join("none");
    for (arguments, why) in [
        (vec![text(&empty)], "no picture in this folder"),
        (vec![text(&broken)], "broken.png"),
        (vec![COFFEE, "--class", "no such thing"], "no such thing"),
        (vec![COFFEE, "--class true"], "true class is not known"),
        (vec![COFFEE, "--split val"], "--split"),
        (vec![COFFEE, "--window 9"], "not one of the chosen methods"),
    ] {
        compare(&out, &arguments).exits(2).says(why);
    }
    let twice = dvm(&["compare", COFFEE, "--method gradient,gradient"]);
    twice.says("named twice");
    dvm(&["compare", COFFEE, "--metrics sparsness"]).exits(2);
}
