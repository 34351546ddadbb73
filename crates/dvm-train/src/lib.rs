//! Training of networks. One step: the graph computes the logits of a batch, [`CrossEntropy`] gives
//! the loss and its gradient, the backward pass gives the gradients of the weights, and the
//! [`Optimiser`] updates the weights with the learning rate of the [`Schedule`]. [`fit`] trains as
//! the [`Config`] says and saves everything in a [`RunFolder`], from which a stopped run can be
//! resumed.

mod accumulate;
mod checkpoint;
mod class_weights;
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
mod presets;
mod progress;
mod run_folder;
pub mod schedules;
mod serde_words;
pub mod tensorboard;
mod trouble;
mod validation;

pub use accumulate::Accumulation;
pub use checkpoint::PREFIX as TRAINING_PREFIX;
pub use class_weights::{Balance, ClassWeights};
pub use clip::{clip_gradient_norm, gradient_norm};
pub use config::{Choice, Config, OptimiserChoice, TensorBoard, TrainedLayers};
pub use dvm_options::{OptionSpec, Settings, Takes};
pub use early_stopping::{EarlyStopping, StoppingDecision};
pub use ema::Ema;
pub use error::Error;
pub use evaluate::{LabelledLogits, labelled_logits};
pub use initialise::fresh;
pub use loss::{CrossEntropy, LossValue, Mixture, Targets};
pub use metrics::Evaluation;
pub use mixup::Mixup;
pub use normalisation::Normalisation;
pub use optimisers::Optimiser;
pub use presets::{PRESETS, Preset};
pub use progress::{EpochRecord, Phase, StepRecord, TrainingEvent};
pub use run_folder::{Existing, RunFolder};
pub use schedules::Schedule;
pub use serde_words::serde_words;
pub use trouble::{Advice, Sign, Trouble};
pub use validation::{Criterion, Validation};
