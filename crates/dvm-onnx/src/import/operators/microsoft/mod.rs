//! ONNX Runtime's operators in the domain `com.microsoft`: fused ones, which its optimiser writes, and quantised ones,
//! which its quantiser writes.
//!
//! Each is expanded to ONNX's own operators (`expansion`).

mod activations;
mod attention;
mod convolution;
mod matrices;
mod normalisation;
mod packed_weights;
mod quantised;

use super::{Operator, Table};

const FAMILIES: [Table; 7] = [
    activations::TABLE,
    attention::TABLE,
    convolution::TABLE,
    matrices::TABLE,
    normalisation::TABLE,
    packed_weights::TABLE,
    quantised::TABLE,
];

/// The operator of this name in the domain `com.microsoft`.
pub(super) fn find(name: &str) -> Option<Operator> {
    super::named(&FAMILIES, name)
}
