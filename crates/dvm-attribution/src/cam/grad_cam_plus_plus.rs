//! Grad-CAM++.

use super::gradient_cam::{GradientCam, LayerGradients, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};

/// Avoids a division by 0, as in pytorch-grad-cam.
const EPSILON: f64 = 1e-6;

/// Every channel weighted by its positive gradients, each weighted by the curvature of the score:
/// `α = G² / (2 G² + G³ · ΣA + 10⁻⁶)`, `w_c = Σ α · max(G_c, 0)`: equation 19 of the paper, for the
/// exponential of the score, as pytorch-grad-cam computes it.
pub const GRAD_CAM_PLUS_PLUS: MethodEntry = MethodEntry {
    name: "grad-cam++",
    title: "Grad-CAM++",
    summary: "channels weighted by their positive gradients at each position; better than Grad-CAM \
              for several objects",
    reference: Reference {
        authors: "Chattopadhyay, Sarkar, Howlader, Balasubramanian",
        year: 2017,
        title: "Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks",
        published: Published::Arxiv("1710.11063"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 1 back to the layer",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |options| GradientCam::boxed(("Grad-CAM++", "weighted channels"), shares, options),
};

fn shares(found: &LayerGradients) -> Vec<f32> {
    found.weighted(|activations, gradients| {
        let sum: f64 = activations.iter().map(|&a| f64::from(a)).sum();
        let weight = |&g: &f32| {
            let g = f64::from(g);
            // No weight where there is no gradient.
            if g <= 0.0 {
                return 0.0;
            }
            let square = g * g;
            g * square / (2.0 * square + sum * square * g + EPSILON)
        };
        gradients.iter().map(weight).sum()
    })
}
