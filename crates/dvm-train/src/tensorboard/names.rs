//! Under which names TensorBoard shows what an epoch measured.

use serde::{Deserialize, Serialize};

/// Number of an epoch that TensorBoard draws as a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Mean loss over the training pictures, as augmented.
    TrainLoss,
    /// Share of the training pictures, as augmented, whose class was found: 0 to 1.
    TrainAccuracy,
    /// Mean loss over the validation pictures.
    ValidationLoss,
    /// Share of the validation pictures whose class was found: 0 to 1.
    ValidationAccuracy,
    /// Learning rate at the end of the epoch.
    LearningRate,
    /// Seconds that the epoch took, validation included.
    EpochSeconds,
    /// Training pictures in a second.
    ImagesPerSecond,
}

/// Choice of names for the curves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// Grouped by what is measured, so that TensorBoard shows training beside validation.
    #[default]
    Dvm,
    /// The four names of the original Deep Vision Mask project for loss and accuracy, for whoever
    /// compares with its runs. What it did not write keeps the names of `Dvm`.
    Seed,
}

impl Names {
    /// All choices.
    pub const ALL: [Names; 2] = [Names::Dvm, Names::Seed];

    /// The choice as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Names::Dvm => "dvm",
            Names::Seed => "seed",
        }
    }

    /// TensorBoard's tag of `metric`.
    pub fn tag(self, metric: Metric) -> &'static str {
        match (self, metric) {
            (Names::Seed, Metric::TrainLoss) => "train_epoch_loss",
            (Names::Seed, Metric::TrainAccuracy) => "train_epoch_acc",
            (Names::Seed, Metric::ValidationLoss) => "val_epoch_loss",
            (Names::Seed, Metric::ValidationAccuracy) => "val_epoch_acc",
            (Names::Dvm, Metric::TrainLoss) => "loss/train",
            (Names::Dvm, Metric::TrainAccuracy) => "accuracy/train",
            (Names::Dvm, Metric::ValidationLoss) => "loss/val",
            (Names::Dvm, Metric::ValidationAccuracy) => "accuracy/val",
            (_, Metric::LearningRate) => "learning_rate",
            (_, Metric::EpochSeconds) => "seconds/epoch",
            (_, Metric::ImagesPerSecond) => "images_per_second",
        }
    }
}
