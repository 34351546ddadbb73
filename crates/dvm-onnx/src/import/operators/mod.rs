//! The operators that are taken over, one file per family.

mod activations;
mod arithmetic;
mod attention;
mod constants;
mod convolution;
mod einsum;
mod gathering;
mod joining;
mod logic;
mod maps;
mod matrices;
mod normalisation;
mod pooling;
mod quantised;
mod reductions;
mod resizing;
mod restriding;
mod scattering;
pub(crate) mod shapes;

use super::Import;
use super::site::{Site, Value};
use super::trouble::Trouble;

/// Takes a node over: what its outputs stand for.
pub(crate) type Operator = fn(&mut Import, &Site) -> Result<Vec<Value>, Trouble>;

/// Operators by name.
type Table = &'static [(&'static str, Operator)];

/// All families.
const FAMILIES: [Table; 17] = [
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
    reductions::TABLE,
    resizing::TABLE,
    scattering::TABLE,
    shapes::TABLE,
];

/// The operator of this name of ONNX's own.
pub(crate) fn find(name: &str) -> Option<Operator> {
    let all = FAMILIES.iter().copied().flatten();
    all.copied()
        .find(|(known, _)| *known == name)
        .map(|(_, operator)| operator)
}

/// The only output of a node.
fn computed(view: super::view::View) -> Result<Vec<Value>, Trouble> {
    Ok(vec![Value::Computed(view)])
}

/// The only output of a node.
fn constant(array: super::array::Array) -> Result<Vec<Value>, Trouble> {
    Ok(vec![Value::Constant(array)])
}
