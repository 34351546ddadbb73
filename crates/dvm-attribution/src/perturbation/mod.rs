//! Methods that use the network's outputs for changed pictures.

mod coalitions;
mod cover;
pub(crate) mod extremal;
pub(crate) mod feature_ablation;
mod felzenszwalb;
mod kernel_coalitions;
pub(crate) mod kernel_shap;
mod label_file;
mod least_squares;
pub(crate) mod lime;
pub(crate) mod occlusion;
pub(crate) mod rise;
mod segments;
pub(crate) mod shapley_sampling;
mod slic;
pub(crate) mod xrai;

pub use cover::cover;
