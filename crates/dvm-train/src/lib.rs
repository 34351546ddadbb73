//! Training: what is minimised, how weights move, and what is kept of a run.
//!
//! One step is: pictures go forward through the graph; the [`CrossEntropy`] of the logits gives the
//! seed of the backward walk; the [`Optimiser`] moves the weights by the learning rate that a
//! [`Schedule`] says. [`fit`] makes steps until a [`Config`] is done, and keeps a [`RunFolder`] from
//! which it can go on wherever it was stopped.

mod accumulate;
mod checkpoint;
mod clip;
mod config;
mod early_stopping;
mod ema;
mod error;
mod evaluate;
pub mod fit;
mod initialise;
mod loss;
pub mod metrics;
mod mixup;
mod normalisation;
pub mod optimisers;
mod option;
mod progress;
mod run_folder;
pub mod schedules;
pub mod tensorboard;
mod trouble;
mod validation;

pub use accumulate::Accumulation;
pub use checkpoint::PREFIX as TRAINING_PREFIX;
pub use clip::{clip_gradient_norm, gradient_norm};
pub use config::{
    Balance, Choice, ClassWeights, Config, OptimiserChoice, PRESETS, Part, Preset, TensorBoard,
};
pub use dvm_options::{OptionSpec, Settings, Takes};
pub use early_stopping::{EarlyStopping, Verdict};
pub use ema::Ema;
pub use error::Error;
pub use evaluate::{Answers, answers};
pub use initialise::fresh;
pub use loss::{CrossEntropy, LossValue, Mixture, Targets};
pub use metrics::Evaluation;
pub use mixup::Mixup;
pub use normalisation::Normalisation;
pub use optimisers::Optimiser;
pub use progress::{EpochRecord, Phase, StepRecord, TrainingEvent};
pub use run_folder::{Existing, RunFolder};
pub use schedules::Schedule;
pub use trouble::{Advice, Sign, Trouble};
pub use validation::{Criterion, Validation};
