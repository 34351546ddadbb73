//! Input times gradient.

use dvm_engine::rules::Composite;

use super::{GradientMethod, OPTIONS, Shared};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::transformer::AttentionRules;
use crate::{SettingError, Settings};

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
    build: |settings| Ok(Box::new(method(settings)?)),
};

/// The method with its settings.
pub(super) fn method(settings: &Settings) -> Result<GradientMethod, SettingError> {
    Ok(GradientMethod {
        title: "input × gradient",
        quantity: "input × gradient",
        composite: AttentionRules::behind(Composite::new(), settings)?,
        formula: |x, g| x * g,
        replaces_rectifiers: false,
        shared: Shared::new(settings)?,
    })
}
