//! The names of the curves in TensorBoard.

use serde::{Deserialize, Serialize};

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
    /// TensorBoard's tags of the training loss, the training accuracy, the validation loss and the
    /// validation accuracy.
    pub(super) fn losses_and_accuracies(self) -> [&'static str; 4] {
        match self {
            Self::Dvm => ["loss/train", "accuracy/train", "loss/val", "accuracy/val"],
            Self::Seed => [
                "train_epoch_loss",
                "train_epoch_acc",
                "val_epoch_loss",
                "val_epoch_acc",
            ],
        }
    }
}
