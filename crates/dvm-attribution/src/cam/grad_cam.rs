//! Grad-CAM.

use super::gradient_cam::{GradientCam, LayerGradients, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};

/// Every channel weighted by its mean gradient: `Σ_c mean(G_c) · A_c`.
pub const GRAD_CAM: MethodEntry = MethodEntry {
    name: "grad-cam",
    title: "Grad-CAM",
    summary: "channels weighted by the mean gradient of the class's score",
    reference: Reference {
        authors: "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra",
        year: 2016,
        title: "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
        published: Published::Arxiv("1610.02391"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 1 back to the layer",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |options| GradientCam::boxed(("Grad-CAM", "weighted channels"), shares, options),
};

/// `mean(G_c) · A_c`.
pub(super) fn shares(found: &LayerGradients) -> Vec<f32> {
    found.weighted(|_, gradients| {
        let sum: f64 = gradients.iter().map(|&g| f64::from(g)).sum();
        sum / gradients.len() as f64
    })
}
