//! Deconvnet.

use dvm_engine::rules::deconvnet;

use super::{Channels, GradientMethod, OPTIONS};
use crate::registry::{Entry, Reference};

/// The gradient with its own sign as the only gate at every rectifier.
pub const DECONVNET: Entry = Entry {
    name: "deconvnet",
    title: "deconvnet",
    summary: "the gradient passed through every rectifier wherever it is itself positive",
    reference: Reference {
        authors: "Zeiler, Fergus",
        year: 2013,
        title: "Visualizing and Understanding Convolutional Networks",
        arxiv: "1311.2901",
    },
    options: OPTIONS,
    presets: &[],
    build: |settings| {
        let method = GradientMethod {
            title: "deconvnet",
            quantity: "gradient",
            rules: &deconvnet,
            formula: |_, g| g,
            replaces_rectifiers: true,
            channels: Channels::MaxAbs,
        };
        method.boxed(settings)
    },
};
