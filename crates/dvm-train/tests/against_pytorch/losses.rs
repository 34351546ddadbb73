//! Cross-entropy.

use dvm_engine::{Tensor, seeded};
use dvm_train::{CrossEntropy, LossValue, Mixture, Targets};
use serde_json::Value;

use crate::{assert_near, cases, numbers};

static CASES: &str = include_str!("../references/losses.json");

fn run(case: &Value) -> LossValue {
    let floats =
        |key: &str| -> Vec<f32> { numbers(&case[key]).iter().map(|&x| x as f32).collect() };
    let classes =
        |key: &str| -> Vec<usize> { numbers(&case[key]).iter().map(|&x| x as usize).collect() };
    let loss = CrossEntropy {
        label_smoothing: case["smoothing"].as_f64().unwrap() as f32,
        class_weights: case["weighted"]
            .as_bool()
            .unwrap()
            .then(|| floats("weights")),
    };
    let targets = if case["mixed"].as_bool().unwrap() {
        let both = classes("targets").into_iter().zip(classes("partners"));
        let mixture = |((first, second), share)| Mixture {
            first,
            second,
            share,
        };
        Targets::Mixtures(both.zip(floats("shares")).map(mixture).collect())
    } else {
        Targets::Classes(classes("targets"))
    };
    let logits = seeded::uniform("loss.logits", 20, -3.0, 3.0);
    loss.value_and_gradient(&Tensor::from_stored(&[4, 5], logits), &targets)
        .unwrap()
}

#[test]
fn losses_equal_pytorchs() {
    for case in cases(CASES) {
        let found = run(&case);
        let name = case["name"].as_str().unwrap();
        let mean_and_sum = [
            case["mean"].as_f64().unwrap(),
            case["sum"].as_f64().unwrap(),
        ];
        assert_near(name, &[found.mean, found.sum], &mean_and_sum, 1e-12);
        let per_sample: Vec<f64> = found.per_sample.iter().map(|&x| f64::from(x)).collect();
        assert_near(name, &per_sample, &numbers(&case["per_sample"]), 1e-7);
    }
}

#[test]
fn gradients_equal_pytorchs() {
    for case in cases(CASES) {
        let gradient = run(&case).gradient;
        assert_eq!(gradient.shape(), [4, 5]);
        let gradient: Vec<f64> = gradient.data().iter().map(|&x| f64::from(x)).collect();
        let name = case["name"].as_str().unwrap();
        assert_near(name, &gradient, &numbers(&case["gradient"]), 1e-7);
    }
}
