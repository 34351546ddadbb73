//! LayerCAM.

use super::gradient_cam::{GradientCam, LayerGradients, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};

/// Every activation times the positive part of its gradient: `Σ_c A_c · max(G_c, 0)`.
pub const LAYER_CAM: MethodEntry = MethodEntry {
    name: "layer-cam",
    title: "LayerCAM",
    summary: "activation times positive gradient at each position, summed over channels; works in \
              early, fine layers, too",
    reference: Reference {
        authors: "Jiang, Zhang, Hou, Cheng, Wei",
        year: 2021,
        title: "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization",
        published: Published::Doi("10.1109/TIP.2021.3089943"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 1 back to the layer",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |options| {
        GradientCam::boxed(
            ("LayerCAM", "activation × positive gradient"),
            shares,
            options,
        )
    },
};

fn shares(found: &LayerGradients) -> Vec<f32> {
    found.each(|a, g| a * g.max(0.0))
}
