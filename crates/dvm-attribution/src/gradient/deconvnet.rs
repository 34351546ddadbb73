//! Deconvnet.

use dvm_engine::rules;

use super::{GradientMethod, OPTIONS, Shared};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::transformer::AttentionRules;
use crate::{SettingError, Settings};

/// The gradient where it is positive itself, at every ReLU.
pub const DECONVNET: MethodEntry = MethodEntry {
    name: "deconvnet",
    title: "deconvnet",
    summary: "the gradient, passed through every ReLU where the gradient itself is positive",
    reference: Reference {
        authors: "Zeiler, Fergus",
        year: 2013,
        title: "Visualizing and Understanding Convolutional Networks",
        published: Published::Arxiv("1311.2901"),
    },
    family: Family::Gradient,
    cost: "1 pass forward, 1 back",
    networks: "all; with a warning for activations other than ReLU",
    options: OPTIONS,
    presets: &[],
    build: |settings| Ok(Box::new(method(settings)?)),
};

/// The method with its settings.
pub(super) fn method(settings: &Settings) -> Result<GradientMethod, SettingError> {
    Ok(GradientMethod {
        title: "deconvnet",
        quantity: "gradient",
        composite: AttentionRules::behind(rules::deconvnet(), settings)?,
        formula: |_, g| g,
        replaces_rectifiers: true,
        shared: Shared::new(settings)?,
    })
}
