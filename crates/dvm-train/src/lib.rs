//! Training: what is minimised, how weights move, and what is kept of a run.
//!
//! One step is: pictures go forward through the graph; the [`CrossEntropy`] of the logits gives the
//! seed of the backward walk; the [`Optimiser`] moves the weights by the learning rate that a
//! [`Schedule`] says.

mod accumulate;
mod clip;
mod early_stopping;
mod ema;
mod error;
mod initialise;
mod loss;
pub mod metrics;
mod mixup;
pub mod optimisers;
mod option;
pub mod schedules;
mod validation;

pub use accumulate::Accumulation;
pub use clip::{clip_gradient_norm, gradient_norm};
pub use early_stopping::{EarlyStopping, Verdict};
pub use ema::Ema;
pub use error::Error;
pub use initialise::fresh;
pub use loss::{CrossEntropy, LossValue, Mixture, Targets};
pub use metrics::Evaluation;
pub use mixup::Mixup;
pub use optimisers::Optimiser;
pub use option::{OptionSpec, OptionValue, Options, Takes};
pub use schedules::Schedule;
pub use validation::{Criterion, Validation};
