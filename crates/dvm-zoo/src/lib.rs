//! Architectures, one file each, with the facts about their published weights and two embedded
//! networks.
//!
//! ```
//! let lite = dvm_zoo::find("efficientnet_lite0").unwrap().embedded().unwrap();
//! assert_eq!(lite.classes[967], "espresso");
//! ```

pub mod architectures;
mod fine_tune;
mod pretrained;

pub use architectures::{ALL, Architecture, Paper, Published};
pub use pretrained::{
    ARCHITECTURE_KEY, CLASSES_KEY, LoadError, PREPROCESS_KEY, Pretrained, TRAINING_PREFIX,
    check_class_names, imagenet_classes,
};

/// The architecture of this name.
pub fn find(name: &str) -> Option<&'static Architecture> {
    ALL.iter().find(|architecture| architecture.name == name)
}
