//! Guided backprop.

use dvm_engine::rules;

use super::{GradientMethod, OPTIONS, Shared};
use crate::registry::{Entry, Family, Published, Reference};
use crate::transformer::AttentionRules;
use crate::{SettingError, Settings};

/// The gradient with negative signals held back at every rectifier.
pub const GUIDED_BACKPROP: Entry = Entry {
    name: "guided-backprop",
    title: "guided backprop",
    summary: "the gradient with negative signals held back at every rectifier: fine detail of what excites the class",
    reference: Reference {
        authors: "Springenberg, Dosovitskiy, Brox, Riedmiller",
        year: 2014,
        title: "Striving for Simplicity: The All Convolutional Net",
        published: Published::Arxiv("1412.6806"),
    },
    family: Family::Gradient,
    cost: "1 pass forward, 1 back",
    networks: "all; at activations other than ReLU with a warning",
    options: OPTIONS,
    presets: &[],
    build: |settings| Ok(Box::new(method(settings)?)),
};

/// The method with its settings.
pub(super) fn method(settings: &Settings) -> Result<GradientMethod, SettingError> {
    Ok(GradientMethod {
        title: "guided backprop",
        quantity: "gradient",
        composite: AttentionRules::behind(rules::guided_backprop(), settings)?,
        formula: |_, g| g,
        replaces_rectifiers: true,
        shared: Shared::new(settings)?,
    })
}
