//! Methods that use the network's outputs for changed pictures.

mod coalitions;
mod cover;
mod extremal;
mod feature_ablation;
mod felzenszwalb;
mod kernel_coalitions;
mod kernel_shap;
mod label_file;
mod least_squares;
mod lime;
mod occlusion;
mod rise;
mod segments;
mod shapley_sampling;
mod slic;
mod xrai;

pub use cover::cover;
pub use extremal::EXTREMAL_PERTURBATION;
pub use feature_ablation::FEATURE_ABLATION;
pub use kernel_shap::KERNEL_SHAP;
pub use lime::LIME;
pub use occlusion::OCCLUSION;
pub use rise::RISE;
pub use shapley_sampling::SHAPLEY_SAMPLING;
pub use xrai::XRAI;
