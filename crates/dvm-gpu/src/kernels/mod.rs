//! The kernels, each for arrays of f32 values. Sums have a fixed order, which follows from the shapes.

pub(crate) mod activation;
pub(crate) mod copy;
pub(crate) mod filter;
pub(crate) mod index;
pub(crate) mod pointwise;
pub(crate) mod pool;
pub(crate) mod product;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod statistics;
pub(crate) mod unary;
