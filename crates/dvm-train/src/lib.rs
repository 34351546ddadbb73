//! Training: what is minimised, how weights move, and what is kept of a run.

mod progress;
pub mod tensorboard;

pub use progress::{EpochRecord, TrainingEvent};
