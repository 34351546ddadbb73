//! Differences and sums of classes.

use dvm_attribution::{Attribution, Target};

use crate::subject::{relative_error, small};

/// The map of a target by a method, for the score `logit`.
fn map_of(method: &str, options: &[(&str, &str)], target: Target) -> Attribution {
    let options = [options, &[("score", "logit")]].concat();
    let maps = small().maps_of(method, &options, &[target]);
    maps.unwrap().remove(0)
}

/// `a + factor · b`, value by value.
fn combined(a: &[f32], factor: f32, b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + factor * b).collect()
}

#[test]
fn maps_of_differences_and_sums_of_logits_are_those_of_their_classes_combined() {
    let occlusion: &[(&str, &str)] = &[("window", "8"), ("stride", "8")];
    for (method, options) in [
        ("gradient", &[("channels", "sum")][..]),
        ("occlusion", occlusion),
    ] {
        let of = |target| map_of(method, options, target).map;
        let (one, other) = (of(Target::Class(1)), of(Target::Class(3)));
        for (target, factor) in [
            (Target::Difference(1, 3), -1.0),
            (Target::Sum(vec![1, 3]), 1.0),
        ] {
            let error = relative_error(&of(target), &combined(&one, factor, &other));
            assert!(error < 1e-5, "{method} {factor}: {error:e}");
        }
    }
}

#[test]
fn a_class_that_does_not_exist_is_an_error_in_every_target() {
    for target in [
        Target::Class(5),
        Target::Difference(0, 5),
        Target::Sum(vec![0, 5]),
    ] {
        for method in ["gradient", "occlusion"] {
            let targets = std::slice::from_ref(&target);
            let error = small()
                .maps_of(method, &[], targets)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("class 5 does not exist"), "{error}");
        }
    }
}
