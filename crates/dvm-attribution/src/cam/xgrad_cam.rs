//! XGrad-CAM.

use super::gradient_cam::{GradientCam, LayerGradients, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};

/// Avoids a division by 0, as in pytorch-grad-cam.
const EPSILON: f64 = 1e-7;

/// Every channel weighted by its gradients, each weighted by the activation there: `w_c = Σ G_c ·
/// A_c / (Σ A_c + 10⁻⁷)`.
pub const XGRAD_CAM: MethodEntry = MethodEntry {
    name: "xgrad-cam",
    title: "XGrad-CAM",
    summary: "Grad-CAM with gradients weighted by the activations; the map has the same sum as that of HiResCAM",
    reference: Reference {
        authors: "Fu, Hu, Dong, Guo, Gao, Li",
        year: 2020,
        title: "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs",
        published: Published::Arxiv("2008.02312"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 1 back to the layer",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |options| GradientCam::boxed(("XGrad-CAM", "weighted channels"), shares, options),
};

fn shares(found: &LayerGradients) -> Vec<f32> {
    found.weighted(|activations, gradients| {
        let sum: f64 = activations.iter().map(|&a| f64::from(a)).sum();
        let pairs = activations.iter().zip(gradients);
        let products: f64 = pairs.map(|(&a, &g)| f64::from(a) * f64::from(g)).sum();
        products / (sum + EPSILON)
    })
}
