//! Loss, optimisers and schedules, compared with PyTorch in f64 (`references/training.py`).

mod losses;
mod optimisers;
mod schedules;

use serde_json::Value;

/// The cases of a file.
fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("a list of cases")
}

/// A list of numbers.
fn numbers(value: &Value) -> Vec<f64> {
    let all = value.as_array().expect("a list");
    all.iter().map(|n| n.as_f64().expect("a number")).collect()
}

/// Panics unless each number is within `tolerance` of the expected one, relative to the largest.
fn assert_near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        // A difference that is not a number must fail, too.
        let near = (found - expected).abs() <= tolerance * largest;
        assert!(near, "{what}[{index}] is {found}, not {expected}");
    }
}
