//! The output of `dvm survey`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{COFFEE, NETWORK, dvm, names, root, text};

/// A folder with two pictures for each of these classes.
fn set(home: &Path, classes: &[&str]) -> PathBuf {
    let set = home.join("set");
    let coffee = root(COFFEE);
    for class in classes {
        fs::create_dir_all(set.join(class)).unwrap();
        for name in ["1.png", "2.png"] {
            fs::copy(&coffee, set.join(class).join(name)).unwrap();
        }
    }
    set
}

fn survey(data: &Path, out: &Path, more: &[&str]) -> crate::Run {
    dvm(&[&["survey", text(data), "--out", text(out), NETWORK], more].concat())
}

#[test]
fn a_survey_prints_a_table_and_writes_a_folder_that_another_replaces() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso", "cup"]);
    let out = home.path().join("out");
    for _ in 0..2 {
        let run = survey(&set, &out, &["--class true"]).exits(0);
        run.prints("espresso");
        run.prints("no warning");
        let expected = [
            "cup",
            "espresso",
            "pictures.csv",
            "survey.json",
            "survey.md",
        ];
        assert_eq!(names(&out), expected);
        assert_eq!(names(&out.join("cup")), ["cluster-1.png", "mean.png"]);
    }
    fs::write(out.join("thesis.tex"), "").unwrap();
    survey(&set, &out, &[]).exits(2).says("thesis.tex");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso", "cup"]);
    let bytes = |threads: &str| {
        let out = home.path().join(format!("out-{threads}"));
        survey(&set, &out, &["--threads", threads, "--json"]).exits(0);
        let files = ["survey.json", "pictures.csv", "espresso/mean.png"];
        files.map(|file| fs::read(out.join(file)).unwrap_or_else(|_| panic!("{file}")))
    };
    assert!(bytes("1") == bytes("3"));
}

#[test]
fn unknown_classes_are_not_used_as_labels_and_give_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso", "my own class"]);
    let run = survey(&set, &home.path().join("out"), &["--json"]).exits(0);
    run.says("my own class");
    run.says("without labels");
    let found = run.json();
    assert_eq!(found["labelled"], false);
    assert_eq!(found["pictures"].as_array().unwrap().len(), 4);
    assert_eq!(found["classes"][0]["name"], "espresso");
    survey(&set, &home.path().join("out"), &["--class true"])
        .exits(2)
        .says("has no class");
}

#[test]
fn a_folder_without_classes_is_surveyed_and_broken_pictures_are_named() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso"]).join("espresso");
    fs::write(set.join("broken.jpg"), "no picture").unwrap();
    let run = survey(&set, &home.path().join("out"), &["--limit 0"]).exits(1);
    run.says("broken.jpg");
    run.prints("espresso");
}

#[test]
fn options_of_the_method_are_set_by_name() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso"]);
    let out = home.path().join("out");
    let more = ["--method occlusion --set window=75 --set stride=75 --json"];
    let run = survey(&set, &out, &more).exits(0);
    assert_eq!(run.json()["method"], "occlusion");
    assert_eq!(
        run.json()["parameters"]["window"],
        serde_json::json!([75, 75])
    );
    survey(&set, &out, &["--set window=75"]).exits(2);
}
