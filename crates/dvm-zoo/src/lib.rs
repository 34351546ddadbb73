//! Architectures, one file per family, with their published weights and two embedded networks.
//!
//! ```
//! let lite = dvm_zoo::find("efficientnet_lite0").unwrap().embedded().unwrap();
//! assert_eq!(lite.classes[967], "espresso");
//! ```

pub mod architectures;
mod assumptions;
mod buffers;
mod choice;
mod fine_tune;
mod foreign;
mod graphs;
mod known_preprocess;
mod lookalikes;
mod output;
mod pretrained;
mod recognition;
mod saving;
mod stated;

pub use architectures::{Architecture, FAMILIES, Paper, Published, Source};
pub use assumptions::ASSUMED_KEY;
pub use dvm_onnx::ExportError;
pub use graphs::Remarks;
pub use output::OUTPUT_KEY;
pub use pretrained::{
    ARCHITECTURE_KEY, CLASSES_KEY, LoadError, Origin, PART_KEY, PREPROCESS_KEY, Pretrained,
    TRAINING_PREFIX, check_class_names, imagenet_classes,
};
pub use saving::{FileFormat, GRAPH_KEY, NAME_KEY};

/// All architectures.
pub fn all() -> impl Iterator<Item = &'static Architecture> + Clone {
    FAMILIES.iter().copied().flatten()
}

/// The architecture with this name, dvm's or timm's. In timm's names, the part after a dot selects weights
/// (`resnet50.tv_in1k`), not the network.
///
/// ```
/// assert_eq!(dvm_zoo::find("mobilenetv2_100.ra_in1k").unwrap().name, "mobilenet_v2");
/// ```
pub fn find(name: &str) -> Option<&'static Architecture> {
    let named = |name: &str| {
        all()
            .find(|architecture| architecture.name == name)
            .or_else(|| all().find(|architecture| architecture.timm.contains(&name)))
    };
    named(name).or_else(|| {
        let (network, _) = name.split_once('.')?;
        (!OTHER_INPUTS.contains(&name)).then(|| named(network))?
    })
}

/// Weights of timm that need another input than the architecture of this name: Gluon's Inception has no
/// `transform_input`.
const OTHER_INPUTS: &[&str] = &["inception_v3.gluon_in1k"];

/// The names of all architectures, for messages.
pub fn names() -> String {
    all().map(|a| a.name).collect::<Vec<_>>().join(", ")
}
