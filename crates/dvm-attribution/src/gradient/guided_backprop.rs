//! Guided backprop.

use dvm_engine::rules::guided_backprop;

use super::{Channels, GradientMethod, OPTIONS};
use crate::registry::{Entry, Reference};

/// The gradient with negative signals held back at every rectifier.
pub const GUIDED_BACKPROP: Entry = Entry {
    name: "guided-backprop",
    title: "guided backprop",
    summary: "the gradient with negative signals held back at every rectifier: fine detail of what excites the class",
    reference: Reference {
        authors: "Springenberg, Dosovitskiy, Brox, Riedmiller",
        year: 2014,
        title: "Striving for Simplicity: The All Convolutional Net",
        arxiv: "1412.6806",
    },
    options: OPTIONS,
    presets: &[],
    build: |settings| {
        let method = GradientMethod {
            title: "guided backprop",
            quantity: "gradient",
            rules: &guided_backprop,
            formula: |_, g| g,
            replaces_rectifiers: true,
            channels: Channels::MaxAbs,
        };
        method.boxed(settings)
    },
};
