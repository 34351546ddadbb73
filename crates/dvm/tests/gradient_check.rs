//! The gradient of a network is checked once; the result is recorded and kept for the next run.

use std::fs;
use std::path::{Path, PathBuf};

use dvm::engine::{Stopwatch, Walk};
use dvm::{Classifier, Explain, Explanation};
use dvm_testing::networks::striped;
use serde_json::Value;

/// The embedded network on pictures of this size.
fn sized(size: usize) -> Classifier {
    let classifier = Classifier::embedded().unwrap();
    let mut preprocess = classifier.preprocess().clone();
    preprocess.crop = (size, size);
    classifier.with_preprocess(preprocess).unwrap()
}

/// The embedded network on small pictures, with a stopwatch.
fn classifier(cache: Option<&Path>) -> (Classifier, Stopwatch) {
    let stopwatch = Stopwatch::default();
    let classifier = sized(96).with_stopwatch(stopwatch.clone());
    match cache {
        Some(folder) => (classifier.keeping_gradient_checks_in(folder), stopwatch),
        None => (classifier, stopwatch),
    }
}

fn explain(classifier: &Classifier, methods: &str) -> Explanation {
    let options = Explain::methods(methods).unwrap();
    classifier.explain(striped(), &options).unwrap().remove(0)
}

fn check(explanation: &Explanation) -> Value {
    explanation.record()["model"]["gradient_check"].clone()
}

/// The number of forward walks over the first convolution.
fn walks(stopwatch: &Stopwatch) -> usize {
    let laps = stopwatch.laps();
    let mut forward = laps
        .iter()
        .filter(|lap| lap.walk == Walk::Forward && lap.kind == "conv2d");
    forward.next().map_or(0, |lap| lap.calls)
}

fn only_file(cache: &Path) -> PathBuf {
    let mut files = fs::read_dir(cache.join("gradient-checks")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

#[test]
fn the_record_has_the_result_and_the_network_is_checked_once() {
    let (classifier, stopwatch) = classifier(None);
    assert_eq!(check(&explain(&classifier, "guided-backprop")), Value::Null);
    assert_eq!(walks(&stopwatch), 1);
    let first = explain(&classifier, "gradient");
    let found = check(&first);
    assert_eq!(found["compared"], 6);
    assert!(found["nodes"].as_u64().unwrap() > 50, "{found}");
    assert!(found["mismatch_along_gradient"].as_f64().unwrap() <= 0.02);
    let after = walks(&stopwatch);
    assert!(after > 2, "{after}");
    assert_eq!(check(&explain(&classifier, "gradient")), found);
    assert_eq!(walks(&stopwatch), after + 1);
}

#[test]
fn the_next_run_uses_the_result_and_makes_the_same_map() {
    let cache = tempfile::tempdir().unwrap();
    let first = explain(&classifier(Some(cache.path())).0, "gradient");
    let file = only_file(cache.path());
    let (again, stopwatch) = classifier(Some(cache.path()));
    let second = explain(&again, "gradient");
    assert_eq!(walks(&stopwatch), 1);
    assert_eq!(check(&second), check(&first));
    let map = |explanation: &Explanation| explanation.maps().next().unwrap().1.map.clone();
    assert_eq!(map(&first), map(&second));

    // An invalid file is not used.
    let kept = fs::read_to_string(&file).unwrap();
    let other = kept.replace("96x96", "97x96");
    let absurd = kept.replace("\"compared\": 6", "\"compared\": 0");
    assert!(other != kept && absurd != kept);
    for content in ["", "{", "[1, 2]", &other, &absurd] {
        fs::write(&file, content).unwrap();
        let (again, stopwatch) = classifier(Some(cache.path()));
        let checked = check(&explain(&again, "gradient"));
        assert_eq!(checked, check(&first), "{content}");
        assert!(walks(&stopwatch) > 2, "{content}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_not_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("a file");
    fs::write(&occupied, "not a folder").unwrap();
    let (classifier, _) = classifier(Some(&occupied));
    assert_eq!(check(&explain(&classifier, "gradient"))["compared"], 6);
    assert_eq!(fs::read_to_string(&occupied).unwrap(), "not a folder");
}

/// A record depends on the explanation alone, not on what the same program or an earlier one did before.
#[test]
fn the_record_does_not_depend_on_what_was_explained_before() {
    let cache = tempfile::tempdir().unwrap();
    let fresh = check(&explain(&sized(96), "gradient"));
    let smaller = check(&explain(&sized(64), "gradient"));
    assert_ne!(fresh, smaller);
    for classifier in [
        sized(96),
        classifier(Some(cache.path())).0,
        classifier(Some(cache.path())).0,
    ] {
        // Another size, and a method that works on another form of the network.
        let input = sized(64).prepare(striped()).unwrap();
        let options = Explain::methods("gradient").unwrap();
        let mut of_input = Vec::new();
        let each = |explanation: Explanation| {
            of_input.push(check(&explanation));
            Ok::<_, dvm::Error>(())
        };
        classifier
            .explain_input(input, &options, &|_, _, _| {}, each)
            .unwrap();
        assert_eq!(of_input, std::slice::from_ref(&smaller));
        assert_eq!(check(&explain(&classifier, "full-grad")), fresh);
        assert_eq!(check(&explain(&classifier, "gradient")), fresh);
        assert_eq!(check(&explain(&classifier, "guided-backprop")), Value::Null);
    }
}
