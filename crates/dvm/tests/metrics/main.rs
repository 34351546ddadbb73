//! Metrics of maps on whole networks, against other tools (`references/README.md`).

#[macro_use]
#[path = "../prepared/mod.rs"]
mod prepared;

mod covering;
mod randomisation;
mod sampling;

use dvm_attribution::{Array, Attribution, Target, ValueKind};

/// A map of a class that no method made.
fn given(map: Vec<f32>, size: (usize, usize), class: usize) -> Attribution {
    Attribution {
        target: Target::Class(class),
        title: "given".into(),
        quantity: "relevance".into(),
        score: "logit",
        arrays: vec![Array::new(Array::RAW, &[size.0, size.1], map.clone())],
        map,
        size,
        smooth: None,
        value_kind: ValueKind::Signed,
        warnings: Vec::new(),
        checks: Vec::new(),
    }
}
