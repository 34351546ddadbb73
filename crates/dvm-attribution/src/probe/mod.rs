//! The only ways to run a network for a [`Subject`](crate::Subject): outputs for changed pictures
//! ([`Variants`]) and for a picture changed step by step ([`Series`]), activations and gradients at
//! nodes ([`GradientRequest`]), outputs for changed activations, and the attention of transformers
//! ([`Attentions`]). Only this module decides on caching, batches, threads and memory.

mod activations;
mod attention;
mod gradients;
mod series;
mod variants;

pub use activations::ActivationResult;
pub use attention::{AttentionBlock, Attentions, EachBlock};
pub(crate) use attention::{Pool, is_softmax_of_attention};
pub use gradients::{GradientRequest, GradientResult};
pub use series::Series;
pub use variants::Variants;

/// Larger batches are not faster: the caches are already full.
const LARGEST_BATCH: usize = 8;

/// The same for backward passes, which keep the activations of all layers.
const LARGEST_BATCH_BACK: usize = 2;
