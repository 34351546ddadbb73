//! EigenGrad-CAM.

use super::gradient_cam::{GradientCam, OPTIONS_OF_COMPONENTS, Reduction};
use super::hires_cam::shares;
use crate::registry::{Family, MethodEntry, Published, Reference};

/// The first principal component of activation times gradient.
pub const EIGENGRAD_CAM: MethodEntry = MethodEntry {
    name: "eigengrad-cam",
    title: "EigenGrad-CAM",
    summary: "the first principal component of activation times gradient over channels",
    reference: Reference {
        authors: "Gildenblat and contributors",
        year: 2021,
        title: "PyTorch library for CAM methods: EigenGradCAM",
        published: Published::Page("https://github.com/jacobgil/pytorch-grad-cam"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 1 back to the layer",
    networks: super::NETWORKS,
    options: OPTIONS_OF_COMPONENTS,
    presets: &[],
    build: |options| {
        let names = ("EigenGrad-CAM", "first component");
        Ok(Box::new(GradientCam {
            reduction: Reduction::FirstComponent,
            ..GradientCam::new(names, shares, options)?
        }))
    },
};
