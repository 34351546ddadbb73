//! The plain gradient.

use dvm_engine::rules::Composite;

use super::{GradientMethod, OPTIONS, Shared};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::transformer::AttentionRules;
use crate::{SettingError, Settings};

/// The gradient of the class's logit with respect to each value of the picture.
pub const GRADIENT: MethodEntry = MethodEntry {
    name: "gradient",
    title: "gradient",
    summary: "the true gradient of the class's logit with respect to the picture",
    reference: Reference {
        authors: "Simonyan, Vedaldi, Zisserman",
        year: 2013,
        title: "Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps",
        published: Published::Arxiv("1312.6034"),
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
        title: "gradient",
        quantity: "gradient",
        composite: AttentionRules::behind(Composite::new(), settings)?,
        formula: |_, g| g,
        replaces_rectifiers: false,
        shared: Shared::new(settings)?,
    })
}
