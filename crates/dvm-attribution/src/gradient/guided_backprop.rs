//! Guided backprop.

use dvm_engine::rules;

use super::attributor::method;
use super::{GradientMethod, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{OptionReader, SettingError};

/// The gradient without negative values at every ReLU.
pub const GUIDED_BACKPROP: MethodEntry = MethodEntry {
    name: "guided-backprop",
    title: "guided backprop",
    summary: "the gradient, with negative gradients set to 0 at every ReLU; shows fine detail that \
              increases the score",
    reference: Reference {
        authors: "Springenberg, Dosovitskiy, Brox, Riedmiller",
        year: 2014,
        title: "Striving for Simplicity: The All Convolutional Net",
        published: Published::Arxiv("1412.6806"),
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
        ("guided backprop", "gradient"),
        rules::guided_backprop(),
        |_, g| g,
        options,
    )
}
