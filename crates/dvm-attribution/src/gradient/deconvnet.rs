//! Deconvnet.

use dvm_engine::rules;

use super::attributor::method;
use super::{GradientMethod, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{OptionReader, SettingError};

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
    build: |options| method(new(options)?, options),
};

/// The method with its settings.
pub(super) fn new(options: &mut OptionReader) -> Result<GradientMethod, SettingError> {
    GradientMethod::new(
        ("deconvnet", "gradient"),
        rules::deconvnet(),
        |_, g| g,
        options,
    )
}
