//! Tests of maps: `--check` and `dvm metrics`.

use std::fs;
use std::path::Path;

use crate::{COFFEE, FAST, dvm, explain, record};

#[test]
fn the_record_has_the_value_and_options_of_each_check() {
    let out = tempfile::tempdir().unwrap();
    let run = explain(out.path(), &[FAST, "--check sparseness --json", COFFEE]).exits(0);
    let record = record(&out.path().join("coffee"));
    let metric = &record["methods"][0]["metrics"][0];
    assert_eq!(metric["name"], "sparseness");
    assert_eq!(metric["better"], "neither");
    let value = metric["value"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&value), "{value}");
    assert!(metric["parameters"].is_object());
    let line = &run.json()[0]["checks"][0];
    assert_eq!(line["method"], "guided-backprop");
    assert_eq!(line["metric"], "sparseness");
    assert_eq!(line["value"], metric["value"]);
}

#[test]
fn checks_change_only_figure_and_record() {
    let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    explain(without.path(), &[FAST, COFFEE]);
    let run = explain(with.path(), &[FAST, "--check sparseness", COFFEE]);
    run.prints("  guided-backprop: sparseness 0.");
    for file in [
        "guided-backprop.npy",
        "guided-backprop.png",
        "guided-backprop.overlay.png",
    ] {
        let read = |folder: &Path| fs::read(folder.join("coffee").join(file)).unwrap();
        assert!(read(with.path()) == read(without.path()), "{file}");
    }
}

#[test]
fn wrong_checks_are_errors_before_anything_is_read() {
    let out = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        ("--check sparsness", "sparseness"),
        ("--check sparseness,sparseness", "is named twice"),
        (
            "--set sparseness.steps=3",
            "metric `sparseness` has no option `steps`",
        ),
        (
            "--set guided-backprop.steps=3",
            "method `guided-backprop` has no option `steps`",
        ),
    ] {
        let run = explain(out.path(), &[arguments, "no-such.png"]);
        run.exits(2).says(expected);
    }
}

#[test]
fn every_metric_is_listed_with_its_options() {
    let list = dvm(&["metrics", "list"]).stdout;
    let json = dvm(&["metrics", "list", "--json"]).json();
    assert_eq!(
        json.as_array().unwrap().len(),
        dvm::metrics::registry::ALL.len()
    );
    for entry in dvm::metrics::registry::ALL {
        assert!(list.contains(&format!("  {} ", entry.name)), "{list}");
        let shown = dvm(&["metrics", "show", entry.name]).stdout;
        assert!(shown.contains(entry.question.text()), "{shown}");
        for option in entry.options {
            let flag = format!("--set {}.{}=<", entry.name, option.name);
            assert!(shown.contains(&flag), "{shown}");
        }
    }
    dvm(&["metrics", "show", "magic"]).exits(2);
}
