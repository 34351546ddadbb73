//! The operators that are taken over, one file per family.

mod activations;
mod arithmetic;
mod attention;
mod constants;
mod convolution;
mod einsum;
mod expansion;
mod gathering;
mod joining;
mod logic;
mod maps;
mod matrices;
mod microsoft;
mod normalisation;
mod pooling;
mod quantised;
mod quantised_layers;
mod reduced_constants;
mod reductions;
mod resizing;
mod restriding;
mod rounded;
mod scattering;
pub(crate) mod shapes;
mod triangles;
mod unfolding;
mod windows;

use super::Import;
use super::site::{Site, Value};
use super::trouble::Trouble;
use crate::OWN_DOMAIN;

/// Takes a node over: what its outputs stand for.
pub(crate) type Operator = fn(&mut Import, &Site) -> Result<Vec<Value>, Trouble>;

/// Operators by name.
type Table = &'static [(&'static str, Operator)];

/// All families.
const FAMILIES: [Table; 21] = [
    activations::TABLE,
    arithmetic::TABLE,
    attention::TABLE,
    constants::TABLE,
    convolution::TABLE,
    einsum::TABLE,
    gathering::TABLE,
    joining::TABLE,
    logic::TABLE,
    matrices::TABLE,
    normalisation::TABLE,
    pooling::TABLE,
    quantised::TABLE,
    quantised_layers::TABLE,
    reductions::TABLE,
    resizing::TABLE,
    rounded::TABLE,
    scattering::TABLE,
    shapes::TABLE,
    triangles::TABLE,
    unfolding::TABLE,
];

/// The operator of this name in a domain: ONNX's own, or ONNX Runtime's.
pub(crate) fn find(domain: &str, name: &str) -> Option<Operator> {
    match domain {
        "" | "ai.onnx" => named(&FAMILIES, name),
        "com.microsoft" => microsoft::find(name),
        OWN_DOMAIN => named(&[windows::TABLE], name),
        _ => None,
    }
}

/// What to do about an operator that is not known, where that can be said.
pub(crate) fn advice(domain: &str) -> &'static str {
    match domain {
        "com.microsoft.nchwc" | "com.ms.internal.nhwc" => {
            "ONNX Runtime optimised this file for the processor that it ran on; write it at the level \
             ORT_ENABLE_EXTENDED or below, or take the file before it was optimised"
        }
        _ => "",
    }
}

fn named(families: &[Table], name: &str) -> Option<Operator> {
    let mut all = families.iter().copied().flatten();
    all.find(|(known, _)| *known == name)
        .map(|&(_, operator)| operator)
}

/// The only output of a node.
fn computed(view: super::view::View) -> Result<Vec<Value>, Trouble> {
    Ok(vec![Value::Computed(view)])
}

/// The only output of a node.
fn constant(array: super::array::Array) -> Result<Vec<Value>, Trouble> {
    Ok(vec![Value::Constant(array)])
}
