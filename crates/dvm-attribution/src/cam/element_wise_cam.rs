//! Element-wise Grad-CAM.

use super::gradient_cam::{GradientCam, LayerGradients, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};

/// The positive part of every activation times its own gradient: `Σ_c max(A_c · G_c, 0)`.
pub const ELEMENT_WISE_CAM: MethodEntry = MethodEntry {
    name: "element-wise-cam",
    title: "element-wise Grad-CAM",
    summary: "the positive part of activation times gradient at each position and channel, summed over channels",
    reference: Reference {
        authors: "Gildenblat and contributors",
        year: 2021,
        title: "PyTorch library for CAM methods: GradCAMElementWise",
        published: Published::Page("https://github.com/jacobgil/pytorch-grad-cam"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 1 back to the layer",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |options| {
        GradientCam::boxed(
            ("element-wise Grad-CAM", "positive activation × gradient"),
            shares,
            options,
        )
    },
};

fn shares(found: &LayerGradients) -> Vec<f32> {
    found.each(|a, g| (a * g).max(0.0))
}
