//! Guided backprop.

use dvm_engine::rules::guided_backprop;

use super::{GradientMethod, OPTIONS};
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
    build: |settings| GradientMethod::boxed(settings, &guided_backprop, |_, g| g, true),
};
