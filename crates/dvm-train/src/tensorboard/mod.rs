//! Event files for TensorBoard.

mod events;
mod message;
mod names;
mod record;

pub use events::{Events, now};
pub use names::TagNames;
