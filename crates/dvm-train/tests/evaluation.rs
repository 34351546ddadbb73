//! Scores, compared with scikit-learn.

use std::sync::Arc;

use dvm_data::Batch;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Network, Output, Tensor, seeded};
use dvm_testing::small_device::SmallDevice;
use dvm_train::metrics::Bootstrap;
use dvm_train::{Evaluation, labelled_logits};
use serde_json::Value;

static EXPECTED: &str = include_str!("references/evaluation.json");

/// The pictures of `references/training.py`, and scikit-learn's scores for them.
fn case() -> (Tensor, Vec<usize>, Vec<String>, Value) {
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    let (count, kinds) = (300, 7);
    let classes = expected["classes"].as_array().unwrap().iter();
    let classes: Vec<usize> = classes.map(|c| c.as_u64().unwrap() as usize).collect();
    let mut logits = seeded::uniform("metrics.logits", count * kinds, -4.0, 4.0);
    for picture in (0..count).step_by(2) {
        logits[picture * kinds + classes[picture]] += 2.0;
    }
    let names = (0..kinds).map(|kind| format!("kind {kind}")).collect();
    let logits = Tensor::from_stored(&[count, kinds], logits);
    (logits, classes, names, expected)
}

fn evaluation(bootstrap: Option<&Bootstrap>) -> (Evaluation, Value) {
    let (logits, classes, names, expected) = case();
    let evaluation = Evaluation::new(&logits, &classes, Output::Logits, &names, bootstrap);
    (evaluation.unwrap(), expected)
}

fn assert_near(what: &str, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() < 1e-12,
        "{what}: {found}, not {expected}"
    );
}

#[test]
fn overall_scores_equal_scikit_learns() {
    let (found, expected) = evaluation(None);
    assert_eq!(found.pictures, 300);
    assert_near("accuracy", found.accuracy, &expected["accuracy"]);
    let balanced = &expected["balanced_accuracy"];
    assert_near(
        "balanced accuracy",
        found.balanced_accuracy.unwrap(),
        balanced,
    );
    assert_near("macro F1", found.macro_f1.unwrap(), &expected["macro_f1"]);
    assert_near("loss", found.loss, &expected["loss"]);
    let error = &expected["calibration_error"];
    assert_near("calibration", found.calibration.error, error);
    let top = expected["top_k"].as_object().unwrap();
    assert_eq!(found.top_k.len(), top.len());
    for (k, share) in &found.top_k {
        assert_near(&format!("top {k}"), *share, &top[&k.to_string()]);
    }
}

#[test]
fn class_scores_equal_scikit_learns() {
    let (found, expected) = evaluation(None);
    for (index, class) in found.classes.iter().enumerate() {
        for (score, value) in [
            ("precision", class.precision),
            ("recall", class.recall),
            ("f1", class.f1),
        ] {
            let expected = &expected[score][index];
            match value {
                Some(value) => assert_near(&format!("{score} of {index}"), value, expected),
                None => assert!(expected.is_null(), "{score} of {index}"),
            }
        }
        assert_eq!(class.support, expected["support"][index].as_u64().unwrap());
    }
    let confusion = serde_json::to_value(&found.confusion).unwrap();
    assert_eq!(confusion, expected["confusion"]);
}

#[test]
fn intervals_contain_their_scores() {
    let (found, _) = evaluation(Some(&Bootstrap::default()));
    let intervals = found.intervals.unwrap();
    for (score, interval) in [
        (found.accuracy, intervals.accuracy),
        (
            found.balanced_accuracy.unwrap(),
            intervals.balanced_accuracy,
        ),
        (found.macro_f1.unwrap(), intervals.macro_f1),
    ] {
        assert!(
            interval.low < score && score < interval.high,
            "{interval:?}"
        );
        assert!(interval.high - interval.low < 0.2, "{interval:?}");
    }
}

#[test]
fn an_evaluation_is_written_and_read_as_json() {
    let (found, _) = evaluation(Some(&Bootstrap::default()));
    let text = serde_json::to_string(&found).unwrap();
    let read: Evaluation = serde_json::from_str(&text).unwrap();
    assert_eq!(read, found);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["accuracy"].as_f64(), Some(found.accuracy));
}

#[test]
fn a_wrong_number_of_class_names_is_an_error() {
    let (logits, classes, names, _) = case();
    let error = Evaluation::new(&logits, &classes, Output::Logits, &names[1..], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "evaluation: there are 6 class names for 7 logits"
    );
}

#[test]
fn means_over_classes_are_not_defined_for_a_single_class() {
    let names = ["a", "b", "c"].map(String::from);
    let of = |labels: &[usize]| {
        let rows = labels.iter().flat_map(|_| [2.0, 1.0, 0.0]).collect();
        let logits = Tensor::from_stored(&[labels.len(), 3], rows);
        Evaluation::new(&logits, labels, Output::Logits, &names, None).unwrap()
    };
    let one = of(&[0, 0]);
    assert_eq!((one.balanced_accuracy, one.macro_f1), (None, None));
    assert_eq!(one.accuracy, 1.0);
    assert!(one.about_classes().unwrap().contains("one class, `a`"));
    // All of `a` are correct, none of `b`.
    let two = of(&[0, 0, 0, 1]);
    assert_eq!(two.balanced_accuracy, Some(0.5));
    assert!(two.about_classes().unwrap().contains("2 of 3 classes"));
    assert_eq!(of(&[0, 1, 2]).about_classes(), None);
}

/// The logits of five pictures in one batch.
fn logits_of_five(network: &Network) -> Result<Vec<f32>, dvm_train::Error> {
    let shape = [5, 3, 4, 4];
    let batch = Batch {
        shape,
        values: seeded::uniform("pictures", shape.iter().product(), -1.0, 1.0),
        classes: vec![0; 5],
        samples: (0..5).collect(),
        skipped: Vec::new(),
    };
    let labelled = labelled_logits(network, [Ok(batch)].into_iter(), |_| {})?;
    assert_eq!(labelled.samples, [0, 1, 2, 3, 4]);
    Ok(labelled.logits)
}

#[test]
fn a_batch_that_does_not_fit_on_the_device_is_computed_in_parts() {
    let network = || {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let x = net.pool("pool", x, Pool::global_mean());
        let x = net.flatten("flatten", x);
        let x = net.linear("fc", x, 3, 4, true);
        Network::new(seeded::graph(net.ending_at(x)))
    };
    let expected = logits_of_five(&network()).unwrap();
    let on_device = |room| {
        let device = Arc::new(SmallDevice::with_room(room));
        logits_of_five(&network().with_device(Some(device)))
    };
    for room in [1, 2, 4] {
        let found = on_device(room).unwrap();
        let mut both = found.iter().zip(&expected);
        assert!(both.all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }
    let error = on_device(0).unwrap_err().to_string();
    assert!(
        error.contains("does not have enough free memory"),
        "{error}"
    );
}
