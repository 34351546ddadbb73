//! The output of `dvm survey`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{COFFEE, dvm, names, text};

/// A folder with two pictures for each of these classes.
fn set(home: &Path, classes: &[&str]) -> PathBuf {
    let set = home.join("set");
    let coffee = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(COFFEE);
    for class in classes {
        fs::create_dir_all(set.join(class)).unwrap();
        for name in ["1.png", "2.png"] {
            fs::copy(&coffee, set.join(class).join(name)).unwrap();
        }
    }
    set
}

fn survey(data: &Path, out: &Path, more: &[&str]) -> crate::Run {
    let mut all = vec!["survey", text(data), "--out", text(out)];
    all.extend(["--model", "squeezenet1_1"]);
    all.extend(more);
    dvm(&all)
}

#[test]
fn a_survey_prints_a_table_and_writes_a_folder_that_another_replaces() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso", "cup"]);
    let out = home.path().join("out");
    for _ in 0..2 {
        let run = survey(&set, &out, &["--class", "true"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stdout.contains("espresso"), "{}", run.stdout);
        assert!(run.stdout.contains("no warning"), "{}", run.stdout);
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
    let refused = survey(&set, &out, &[]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("thesis.tex"), "{}", refused.stderr);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso", "cup"]);
    let bytes = |threads: &str| {
        let out = home.path().join(format!("out-{threads}"));
        let run = survey(&set, &out, &["--threads", threads, "--json"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let files = ["survey.json", "pictures.csv", "espresso/mean.png"];
        files.map(|file| fs::read(out.join(file)).unwrap_or_else(|_| panic!("{file}")))
    };
    assert!(bytes("1") == bytes("3"));
}

#[test]
fn unknown_classes_are_not_used_as_labels_and_give_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso", "my own class"]);
    let run = survey(&set, &home.path().join("out"), &["--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("my own class"), "{}", run.stderr);
    assert!(run.stderr.contains("without labels"), "{}", run.stderr);
    let found = run.json();
    assert_eq!(found["labelled"], false);
    assert_eq!(found["pictures"].as_array().unwrap().len(), 4);
    assert_eq!(found["classes"][0]["name"], "espresso");
    let refused = survey(&set, &home.path().join("out"), &["--class", "true"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("has no class"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_folder_without_classes_is_surveyed_and_broken_pictures_are_named() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso"]).join("espresso");
    fs::write(set.join("broken.jpg"), "no picture").unwrap();
    let run = survey(&set, &home.path().join("out"), &["--limit", "0"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("broken.jpg"), "{}", run.stderr);
    assert!(run.stdout.contains("espresso"), "{}", run.stdout);
}

#[test]
fn options_of_the_method_are_set_by_name() {
    let home = tempfile::tempdir().unwrap();
    let set = set(home.path(), &["espresso"]);
    let out = home.path().join("out");
    let more = [
        "--method",
        "occlusion",
        "--set",
        "window=75",
        "--set",
        "stride=75",
        "--json",
    ];
    let run = survey(&set, &out, &more);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.json()["method"], "occlusion");
    assert_eq!(
        run.json()["parameters"]["window"],
        serde_json::json!([75, 75])
    );
    let refused = survey(&set, &out, &["--set", "window=75"]);
    assert_eq!(refused.code, Some(2));
}
