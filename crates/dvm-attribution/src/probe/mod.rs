//! The only ways to ask a network about a [`Subject`](crate::Subject): the answers to changed pictures
//! ([`Variants`]), gradients and activations at nodes ([`Ask`]), and answers from a node on. What is
//! computed again and what not, batches, threads and memory are decided here, and nowhere else.

mod activations;
mod answers;
mod gradients;

pub use activations::Reading;
pub use answers::Variants;
pub use gradients::{Answer, Ask};

/// Larger batches make nothing faster: the caches are full long before.
const LARGEST_BATCH: usize = 8;
