//! What a training run tells whoever watches it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that happened in a run, in the order in which it happens: `Started`, then steps, epochs
/// and messages, then `Finished` unless the run failed.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingEvent {
    /// The first step is about to be made.
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
