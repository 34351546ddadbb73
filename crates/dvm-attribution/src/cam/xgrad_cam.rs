//! XGrad-CAM.

use super::gradient_cam::{Found, GradientCam, OPTIONS};
use crate::registry::{Entry, Family, Published, Reference};

/// Keeps the denominator from 0, as in pytorch-grad-cam.
const EPSILON: f64 = 1e-7;

/// Every channel weighted by its gradients, each of which counts by the activation there:
/// `w_c = Σ G_c · A_c / (Σ A_c + 10⁻⁷)`.
pub const XGRAD_CAM: Entry = Entry {
    name: "xgrad-cam",
    title: "XGrad-CAM",
    summary: "as Grad-CAM, with gradients weighted by the activations: its map adds up to what HiResCAM's does",
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
    build: |settings| {
        let names = ("XGrad-CAM", "weighted channels");
        Ok(Box::new(GradientCam::new(names, shares, settings)?))
    },
};

fn shares(found: &Found) -> Vec<f32> {
    found.weighted(|activations, gradients| {
        let sum: f64 = activations.iter().map(|&a| f64::from(a)).sum();
        let pairs = activations.iter().zip(gradients);
        let products: f64 = pairs.map(|(&a, &g)| f64::from(a) * f64::from(g)).sum();
        products / (sum + EPSILON)
    })
}
