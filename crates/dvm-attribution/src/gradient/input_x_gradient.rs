//! Input times gradient.

use dvm_engine::rules::true_gradient;

use super::{Channels, GradientMethod, OPTIONS};
use crate::registry::{Entry, Reference};

/// Each value of the normalised picture times its gradient.
pub const INPUT_X_GRADIENT: Entry = Entry {
    name: "input-x-gradient",
    title: "input × gradient",
    summary: "each value of the normalised picture times its gradient: its share of the logit, to first order",
    reference: Reference {
        authors: "Shrikumar, Greenside, Shcherbina, Kundaje",
        year: 2016,
        title: "Not Just a Black Box: Learning Important Features Through Propagating Activation Differences",
        arxiv: "1605.01713",
    },
    options: OPTIONS,
    presets: &[],
    build: |settings| {
        let method = GradientMethod {
            title: "input × gradient",
            quantity: "input × gradient",
            rules: &true_gradient,
            formula: |x, g| x * g,
            replaces_rectifiers: false,
            channels: Channels::MaxAbs,
        };
        method.boxed(settings)
    },
};
