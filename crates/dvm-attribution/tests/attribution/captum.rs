//! Maps of the small network, compared with Captum's, as stored by `references/methods.py`.

use std::path::Path;

use dvm_engine::Output;
use dvm_engine::weights::{Array, Weights};
use serde_json::{Value, json};

use crate::subject::{
    Case, GRADIENTS, log_softmax, relative_error, sigmoid, small, small_ending, softmax,
};

/// Tolerance between f32 and the references' f64, relative to the largest value. Direct sums differ by 6e-7.
const TOLERANCE: f32 = 1e-5;

/// The same for drops: differences of logits that are over ten times as large. Direct sums differ by 8e-6.
const TOLERANCE_OF_DROPS: f32 = 1e-4;

/// The options `window` and `stride` of an occlusion, and its target.
fn windows(described: &Value) -> ([String; 2], usize) {
    let sides = |name: &str| format!("{}x{}", described[name][0], described[name][1]);
    let target = described["target"].as_u64().unwrap();
    ([sides("window"), sides("stride")], target as usize)
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/references")
        .join(name)
}

/// `methods.json`, which describes the tests.
fn described() -> Value {
    let json = std::fs::read(path("methods.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn references() -> Weights {
    Weights::read(&path("methods.safetensors")).unwrap()
}

fn reference<'a>(references: &'a Weights, name: &str) -> &'a Array {
    references.get(&format!("small.{name}")).unwrap()
}

/// `[rows, columns, classes]` as `[classes, rows, columns]`.
fn classes_first(array: &Array) -> (Vec<usize>, Vec<f32>) {
    let &[rows, columns, classes] = &array.shape[..] else {
        panic!("{:?}", array.shape)
    };
    let values = (0..classes)
        .flat_map(|class| array.values.iter().skip(class).step_by(classes))
        .copied()
        .collect();
    (vec![classes, rows, columns], values)
}

fn assert_close(what: &str, actual: &[f32], expected: &[f32]) {
    let error = relative_error(actual, expected);
    assert!(error <= TOLERANCE, "{what} is off by {error:e}");
}

/// The array `[3, H, W]` of a gradient method equals Captum's, and the map is its largest magnitude.
fn assert_captums_gradient(method: &str) {
    let (subject, references) = (small(), references());
    for target in described()["targets"].as_array().unwrap() {
        let target = target.as_u64().unwrap() as usize;
        let name = format!("{}.{target}", method.replace('-', "_"));
        let expected = reference(&references, &name);
        let attribution = subject.map_of(target, method, &[]);
        assert_eq!(attribution.raw().shape, expected.shape[1..]);
        assert_close(&name, &attribution.raw().values, &expected.values);
        let pixels = 32 * 28;
        let reduced: Vec<f32> = (0..pixels)
            .map(|at| {
                let channels = expected.values.iter().skip(at).step_by(pixels);
                channels.fold(0.0, |m: f32, v| m.max(v.abs()))
            })
            .collect();
        assert_eq!(attribution.size, (32, 28));
        assert_close(&format!("the map of {name}"), &attribution.map, &reduced);
    }
}

/// Scores of every class with each window covered with the colour of the references, computed from the references'
/// scores by `made`.
fn assert_window_scores_of(subject: &Case, score: &str, stored: &str, made: &dyn Fn(f32) -> f32) {
    let (references, described) = (references(), described());
    let [r, g, b] = [0, 1, 2].map(|at| described["fill"][at].as_u64().unwrap());
    let fill = format!("#{r:02x}{g:02x}{b:02x}");
    for (name, occlusion) in described["occlusions"].as_object().unwrap() {
        let ([window, stride], target) = &windows(occlusion);
        let options = [
            ("window", &window[..]),
            ("stride", stride),
            ("fill", &fill),
            ("score", score),
            ("value", "raw"),
        ];
        let attribution = subject.map_of(*target, "occlusion", &options);
        let name = format!("occlusion.{name}.{stored}");
        let (shape, expected) = classes_first(reference(&references, &name));
        assert_eq!(attribution.raw().shape, shape);
        let expected: Vec<f32> = expected.into_iter().map(made).collect();
        assert_close(&name, &attribution.raw().values, &expected);
    }
}

#[test]
fn the_small_network_and_its_picture_equal_those_of_the_references() {
    let (subject, described): (Case, _) = (small(), described());
    let input = &described["input"];
    assert_eq!(input["name"], "small.input");
    assert_eq!(input["shape"], json!([32, 28, 3]));
    for (name, expected) in [
        ("mean", subject.preprocess.mean),
        ("std", subject.preprocess.std),
    ] {
        let found = [0, 1, 2].map(|at| input[name][at].as_f64().unwrap() as f32);
        assert_eq!(found, expected, "{name}");
    }
    let logits = subject.subject().numbers().unwrap();
    let references = references();
    assert_close("logits", &logits, &reference(&references, "logits").values);
}

#[test]
fn gradients_equal_captums() {
    for method in GRADIENTS {
        assert_captums_gradient(method);
    }
}

#[test]
fn occlusion_with_the_preset_captum_equals_captums_also_for_clipped_windows() {
    let (subject, references) = (small(), references());
    for (name, occlusion) in described()["occlusions"].as_object().unwrap() {
        let ([window, stride], target) = &windows(occlusion);
        let options = [("preset", "captum"), ("window", window), ("stride", stride)];
        let attribution = subject.map_of(*target, "occlusion", &options);
        let name = format!("occlusion.{name}.captum");
        let expected = reference(&references, &name);
        assert_eq!([attribution.size.0, attribution.size.1], expected.shape[..]);
        let error = relative_error(&attribution.map, &expected.values);
        assert!(error <= TOLERANCE_OF_DROPS, "{name} is off by {error:e}");
    }
}

#[test]
fn scores_for_each_window_equal_a_slow_implementation() {
    for (score, stored) in [
        ("logit", "window_logits"),
        ("probability", "window_probabilities"),
    ] {
        assert_window_scores_of(&small(), score, stored, &|score| score);
    }
}

#[test]
fn labels_are_explained_by_their_own_sigmoids() {
    let probability = |logit: f32| 1.0 / (1.0 + (-logit).exp());
    for labels in [
        small_ending(Output::LabelLogits, &|_, logits| logits),
        small_ending(Output::LabelProbabilities, &sigmoid),
    ] {
        assert_window_scores_of(&labels, "probability", "window_logits", &probability);
        assert_window_scores_of(&labels, "logit", "window_logits", &|logit| logit);
    }
}

#[test]
fn probabilities_are_explained_without_a_second_softmax() {
    let probabilities = small_ending(Output::Probabilities, &softmax);
    let stored = "window_probabilities";
    assert_window_scores_of(&probabilities, "probability", stored, &|p| p);
    assert_window_scores_of(&probabilities, "logit", stored, &f32::ln);
    let map = probabilities.map_of(1, "occlusion", &[("score", "logit"), ("window", "8")]);
    assert_eq!(map.quantity, "drop in log-probability");
    assert_eq!(map.score, "log-probability");
    let logarithms = small_ending(Output::LogProbabilities, &log_softmax);
    assert_window_scores_of(&logarithms, "probability", stored, &|p| p);
}

/// The score is the same for all endings, so its gradients are, too.
#[test]
fn gradients_of_a_score_do_not_depend_on_the_end_of_the_network() {
    let logits = small();
    let probabilities = small_ending(Output::Probabilities, &softmax);
    let logarithms = small_ending(Output::LogProbabilities, &log_softmax);
    for score in ["probability", "log-probability"] {
        let of = |case: &Case| case.map_of(1, "gradient", &[("score", score)]);
        let expected = of(&logits);
        assert_eq!(expected.score, score);
        for case in [&probabilities, &logarithms] {
            let found = of(case);
            let error = relative_error(&found.raw().values, &expected.raw().values);
            assert!(error <= TOLERANCE, "{score} is off by {error:e}");
        }
    }
    // For probabilities, the score `logit` is their logarithm.
    let usual = probabilities.map_of(1, "gradient", &[]);
    assert_eq!(usual.score, "log-probability");
}
