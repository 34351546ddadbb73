//! Input times gradient.

use dvm_engine::rules::Composite;

use super::attributor::method;
use super::{GradientMethod, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{OptionReader, SettingError};

/// Each value of the normalised picture times its gradient.
pub const INPUT_X_GRADIENT: MethodEntry = MethodEntry {
    name: "input-x-gradient",
    title: "input × gradient",
    summary: "each value of the normalised picture times its gradient: its contribution to the \
              logit, to first order",
    reference: Reference {
        authors: "Shrikumar, Greenside, Shcherbina, Kundaje",
        year: 2016,
        title: "Not Just a Black Box: Learning Important Features Through Propagating Activation Differences",
        published: Published::Arxiv("1605.01713"),
    },
    family: Family::Gradient,
    cost: "1 pass forward, 1 back",
    networks: "all",
    options: OPTIONS,
    presets: &[],
    build: |options| method(new(options)?, options),
};

/// The method with its settings.
pub(super) fn new(options: &mut OptionReader) -> Result<GradientMethod, SettingError> {
    GradientMethod::new(
        ("input × gradient", "input × gradient"),
        Composite::new(),
        |x, g| x * g,
        options,
    )
}
