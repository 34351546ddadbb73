//! TensorBoard: what a run measures, as event files that the `tensorboard` program shows.

mod events;
mod message;
mod names;
mod record;

pub use events::{Events, now};
pub use names::{Metric, Names};
