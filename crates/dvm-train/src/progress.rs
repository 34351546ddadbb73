//! What a training run tells whoever watches it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Trouble;

/// Work of a run besides steps. All of it can take long.
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

/// Something that happened in a run, in the order in which it happens: `Started`, then phases, steps,
/// epochs and messages, then `Finished` unless the run failed; phases of the report follow.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingEvent {
    /// The run begins or is resumed.
    Started {
        /// Name of the architecture.
        model: String,
        /// Number of training pictures.
        training: usize,
        /// Number of validation pictures.
        validation: usize,
        /// The first epoch that will be trained, from 1: later where a run was resumed.
        first_epoch: usize,
        /// The last epoch.
        epochs: usize,
        /// Records of the epochs before `first_epoch`.
        past: Vec<EpochRecord>,
        /// Epochs to come in which maps are drawn for TensorBoard, from 1.
        map_epochs: Vec<usize>,
    },
    /// So much of a phase is done.
    Phase {
        /// Which.
        phase: Phase,
        /// How much of it: pictures, or files for [`Phase::Saving`].
        done: usize,
        /// How much there is.
        total: usize,
    },
    /// The weights were moved once.
    Step {
        /// From 1.
        epoch: usize,
        /// From 1, within the epoch.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Loss of the step's pictures.
        loss: f64,
        /// Share of the step's pictures whose class was found: 0 to 1.
        accuracy: f64,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Training pictures in a second, lately.
        images_per_second: f64,
    },
    /// An epoch was trained and validated.
    Epoch(EpochRecord),
    /// Something to be said, in one line.
    Message(String),
    /// The training gets nowhere. Said once, until an epoch is better.
    Trouble(Trouble),
    /// The last epoch is over, or training was stopped in good order.
    Finished {
        /// The epoch whose weights were kept as the best, from 1; none if no epoch was finished.
        best_epoch: Option<usize>,
        /// Its accuracy on the validation pictures: 0 to 1.
        best_accuracy: Option<f64>,
        /// How long this process trained.
        duration: Duration,
    },
}

/// A step of the optimiser: a line of a run's `steps.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 1, over all epochs.
    pub step: u64,
    /// Mean loss of the step's pictures.
    pub loss: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
}

/// What is known of an epoch when it is over: a line of a run's `metrics.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean loss over the training pictures, as augmented and while the weights moved.
    pub train_loss: f64,
    /// Share of the training pictures, as augmented, whose class was found: 0 to 1.
    pub train_accuracy: f64,
    /// Mean loss over the validation pictures; none without such pictures.
    pub val_loss: Option<f64>,
    /// Share of the validation pictures whose class was found: 0 to 1.
    pub val_accuracy: Option<f64>,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Seconds that the epoch took, validation included.
    pub seconds: f64,
    /// Training pictures in a second, validation left out.
    pub images_per_second: f64,
    /// Whether it was the best epoch until then.
    pub best: bool,
}
