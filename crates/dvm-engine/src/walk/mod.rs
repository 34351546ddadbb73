//! The passes over a graph: forward, backward, and forward again where the input changed.

pub(crate) mod backward;
pub(crate) mod forward;
pub(crate) mod gradient_check;
pub mod incremental;
pub mod rules;
pub(crate) mod segments;
