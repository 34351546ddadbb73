//! The operators of ONNX that are supported, one file per family.

mod activations;
mod arithmetic;
mod attention;
mod col2im;
mod constants;
mod convolution;
mod dynamic_quantisation;
mod einsum;
mod expansion;
mod gathering;
mod joining;
mod logic;
mod maps;
mod matrices;
mod microsoft;
mod normalisation;
mod padding;
mod pooling;
mod quantisation;
mod quantised;
mod quantised_layers;
mod reduced_constants;
mod reductions;
mod resizing;
mod scattering;
mod selection;
pub(crate) mod shapes;
mod slicing;
mod strided;
mod triangles;
mod windows;

use crate::OWN_DOMAIN;
use crate::import::{Array, Import, NodeContext, Result, Value, View};

/// Imports a node: the values of its outputs.
pub(crate) type Operator = fn(&mut Import, &NodeContext) -> Result<Vec<Value>>;

/// Operators by name.
type Table = &'static [(&'static str, Operator)];

/// All families.
const FAMILIES: [Table; 23] = [
    activations::TABLE,
    arithmetic::TABLE,
    attention::TABLE,
    col2im::TABLE,
    constants::TABLE,
    convolution::TABLE,
    dynamic_quantisation::TABLE,
    einsum::TABLE,
    gathering::TABLE,
    joining::TABLE,
    logic::TABLE,
    matrices::TABLE,
    normalisation::TABLE,
    padding::TABLE,
    pooling::TABLE,
    quantised::TABLE,
    quantised_layers::TABLE,
    reductions::TABLE,
    resizing::TABLE,
    scattering::TABLE,
    shapes::TABLE,
    slicing::TABLE,
    triangles::TABLE,
];

/// The operator of this name in a domain: ONNX's, ONNX Runtime's, or this crate's.
pub(crate) fn find(domain: &str, name: &str) -> Option<Operator> {
    match domain {
        "" | "ai.onnx" => named(&FAMILIES, name),
        "com.microsoft" => microsoft::find(name),
        OWN_DOMAIN => named(&[windows::TABLE], name),
        _ => None,
    }
}

/// What to do about an operator that is not supported; empty if there is no advice.
pub(crate) fn advice(domain: &str) -> &'static str {
    match domain {
        "com.microsoft.nchwc" | "com.ms.internal.nhwc" => {
            "ONNX Runtime optimised this file for one processor; use the file from before it was optimised, \
             or optimise it at the level ORT_ENABLE_EXTENDED or below"
        }
        _ => "",
    }
}

fn named(families: &[Table], name: &str) -> Option<Operator> {
    let mut all = families.iter().copied().flatten();
    all.find(|(known, _)| *known == name)
        .map(|&(_, operator)| operator)
}

/// A computed value as the only output of a node.
fn computed(view: View) -> Result<Vec<Value>> {
    Ok(vec![Value::Computed(view)])
}

/// An array as the only output of a node.
fn constant(array: Array) -> Result<Vec<Value>> {
    Ok(vec![Value::Constant(array)])
}
