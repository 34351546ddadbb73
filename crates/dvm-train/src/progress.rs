//! Events and records of a run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Trouble;

/// Work of a run besides training steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// All pictures are decoded once, to find broken ones.
    Check,
    /// Features of training pictures are computed.
    TrainingFeatures,
    /// Features of validation pictures are computed.
    ValidationFeatures,
    /// The network is validated.
    Validation,
    /// Maps of validation pictures are drawn for TensorBoard.
    Maps,
    /// The checkpoint is written.
    Saving,
    /// The best weights are evaluated for the report.
    ReportEvaluation,
    /// Maps of the most wrong pictures are drawn for the report.
    ReportMaps,
}

/// An event of a run. The order is: `Started`; phases, steps, epochs and messages; `Finished`,
/// unless the run failed; phases of the report.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingEvent {
    /// The run starts or is resumed.
    Started {
        /// Name of the architecture.
        model: String,
        /// Number of training pictures.
        training: usize,
        /// Number of validation pictures.
        validation: usize,
        /// The first epoch to train, from 1; greater if the run is resumed.
        first_epoch: usize,
        /// The last epoch.
        epochs: usize,
        /// Records of the epochs before `first_epoch`.
        past: Vec<EpochRecord>,
        /// Remaining epochs in which maps are drawn for TensorBoard, from 1.
        map_epochs: Vec<usize>,
    },
    /// Progress of a phase.
    Phase {
        /// The phase.
        phase: Phase,
        /// Completed pictures, or files for [`Phase::Saving`].
        done: usize,
        /// Number of pictures or files.
        total: usize,
    },
    /// A training step was made.
    Step {
        /// From 1.
        epoch: usize,
        /// From 1, within the epoch.
        step: usize,
        /// Steps per epoch.
        steps: usize,
        /// Loss of the step's pictures.
        loss: f64,
        /// Accuracy on the step's pictures, 0 to 1.
        accuracy: f64,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Recent speed, in training pictures per second.
        images_per_second: f64,
    },
    /// An epoch is completed.
    Epoch(EpochRecord),
    /// A message of one line.
    Message(String),
    /// The training does not improve. Reported once, until an epoch is better.
    Trouble(Trouble),
    /// The last epoch is completed, or training was stopped.
    Finished {
        /// The best epoch, from 1; `None` if no epoch was completed.
        best_epoch: Option<usize>,
        /// Its validation accuracy, 0 to 1.
        best_accuracy: Option<f64>,
        /// Training time of this process.
        duration: Duration,
    },
}

/// The record of a training step: a line of `steps.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 1, over all epochs.
    pub step: u64,
    /// Mean loss of the step's pictures.
    pub loss: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
}

/// The record of an epoch: a line of `metrics.jsonl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean loss of the augmented training pictures, measured during training.
    pub train_loss: f64,
    /// Accuracy on the augmented training pictures, 0 to 1.
    pub train_accuracy: f64,
    /// Mean loss of the validation pictures; `None` if there are none.
    pub val_loss: Option<f64>,
    /// Validation accuracy, 0 to 1.
    pub val_accuracy: Option<f64>,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Duration in seconds, including validation.
    pub seconds: f64,
    /// Training pictures per second, without validation.
    pub images_per_second: f64,
    /// Whether it was the best epoch so far.
    pub best: bool,
}
