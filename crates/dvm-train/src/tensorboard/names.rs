//! The names of the curves in TensorBoard.

use serde::{Deserialize, Serialize};

/// A value of an epoch that TensorBoard draws as a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochValue {
    /// Mean loss of the augmented training pictures.
    TrainLoss,
    /// Accuracy on the augmented training pictures, 0 to 1.
    TrainAccuracy,
    /// Mean loss of the validation pictures.
    ValidationLoss,
    /// Validation accuracy, 0 to 1.
    ValidationAccuracy,
    /// Learning rate at the end of the epoch.
    LearningRate,
    /// Duration of the epoch in seconds, including validation.
    EpochSeconds,
    /// Training pictures per second.
    ImagesPerSecond,
}

/// A naming scheme for the curves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagNames {
    /// Grouped by value, so that TensorBoard shows training beside validation.
    #[default]
    Dvm,
    /// The names of the original Deep Vision Mask project for loss and accuracy, to compare with
    /// its runs. Other curves have the names of `Dvm`.
    Seed,
}

impl TagNames {
    /// All schemes.
    pub const ALL: [TagNames; 2] = [TagNames::Dvm, TagNames::Seed];

    /// The name of the scheme.
    pub fn name(self) -> &'static str {
        match self {
            TagNames::Dvm => "dvm",
            TagNames::Seed => "seed",
        }
    }

    /// TensorBoard's tag of `metric`.
    pub fn tag(self, metric: EpochValue) -> &'static str {
        match (self, metric) {
            (TagNames::Seed, EpochValue::TrainLoss) => "train_epoch_loss",
            (TagNames::Seed, EpochValue::TrainAccuracy) => "train_epoch_acc",
            (TagNames::Seed, EpochValue::ValidationLoss) => "val_epoch_loss",
            (TagNames::Seed, EpochValue::ValidationAccuracy) => "val_epoch_acc",
            (TagNames::Dvm, EpochValue::TrainLoss) => "loss/train",
            (TagNames::Dvm, EpochValue::TrainAccuracy) => "accuracy/train",
            (TagNames::Dvm, EpochValue::ValidationLoss) => "loss/val",
            (TagNames::Dvm, EpochValue::ValidationAccuracy) => "accuracy/val",
            (_, EpochValue::LearningRate) => "learning_rate",
            (_, EpochValue::EpochSeconds) => "seconds/epoch",
            (_, EpochValue::ImagesPerSecond) => "images_per_second",
        }
    }
}
