//! The plain gradient.

use dvm_engine::rules::Composite;

use super::attributor::method;
use super::{GradientMethod, OPTIONS};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{OptionReader, SettingError};

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
    build: |options| method(new(options)?, options),
};

/// The method with its settings.
pub(super) fn new(options: &mut OptionReader) -> Result<GradientMethod, SettingError> {
    GradientMethod::new(
        ("gradient", "gradient"),
        Composite::new(),
        |_, g| g,
        options,
    )
}
