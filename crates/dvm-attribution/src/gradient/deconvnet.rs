//! Deconvnet.

use dvm_engine::rules;

use super::{GradientMethod, OPTIONS, Shared};
use crate::registry::{Entry, Family, Published, Reference};
use crate::transformer::AttentionRules;
use crate::{SettingError, Settings};

/// The gradient with its own sign as the only gate at every rectifier.
pub const DECONVNET: Entry = Entry {
    name: "deconvnet",
    title: "deconvnet",
    summary: "the gradient passed through every rectifier wherever it is itself positive",
    reference: Reference {
        authors: "Zeiler, Fergus",
        year: 2013,
        title: "Visualizing and Understanding Convolutional Networks",
        published: Published::Arxiv("1311.2901"),
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
        title: "deconvnet",
        quantity: "gradient",
        composite: AttentionRules::behind(rules::deconvnet(), settings)?,
        formula: |_, g| g,
        replaces_rectifiers: true,
        shared: Shared::new(settings)?,
    })
}
