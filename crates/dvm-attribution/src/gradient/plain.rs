//! The plain gradient.

use dvm_engine::rules::true_gradient;

use super::{Channels, GradientMethod, OPTIONS};
use crate::registry::{Entry, Reference};

/// The gradient of the class's logit with respect to each value of the picture.
pub const GRADIENT: Entry = Entry {
    name: "gradient",
    title: "gradient",
    summary: "the true gradient of the class's logit with respect to the picture",
    reference: Reference {
        authors: "Simonyan, Vedaldi, Zisserman",
        year: 2013,
        title: "Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps",
        arxiv: "1312.6034",
    },
    options: OPTIONS,
    presets: &[],
    build: |settings| {
        let method = GradientMethod {
            title: "gradient",
            quantity: "gradient",
            rules: &true_gradient,
            formula: |_, g| g,
            replaces_rectifiers: false,
            channels: Channels::MaxAbs,
        };
        method.boxed(settings)
    },
};
