//! HiResCAM.

use super::gradient_cam::{GradientCam, LayerGradients, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};

/// Every activation times its own gradient: `Σ_c A_c · G_c`.
pub const HIRES_CAM: MethodEntry = MethodEntry {
    name: "hires-cam",
    title: "HiResCAM",
    summary: "activation times gradient at each position, summed over channels: shows only \
              positions that the network used, unlike Grad-CAM",
    reference: Reference {
        authors: "Draelos, Carin",
        year: 2020,
        title: "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks",
        published: Published::Arxiv("2011.08891"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 1 back to the layer",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |options| GradientCam::boxed(("HiResCAM", "activation × gradient"), shares, options),
};

/// `A_c · G_c`.
pub(super) fn shares(found: &LayerGradients) -> Vec<f32> {
    found.each(|a, g| a * g)
}
