//! What exporters write as several operators, recognised as one op of the engine.

pub(crate) mod attention;
mod layer_norm;
pub(crate) mod piecewise_linear;
pub(crate) mod sampled_function;
pub(crate) mod source_indices;

/// An input of a new node, and what is known about it.
pub(crate) struct InputInfo<'a, T> {
    pub node: usize,
    /// The shape of its value for one picture.
    pub shape: &'a [usize],
    pub known: &'a T,
}
