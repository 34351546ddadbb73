//! The only ways to ask a network about a [`Subject`](crate::Subject): the answers to changed pictures
//! ([`Variants`]), also while changes are made one on top of the other ([`Series`]), gradients and activations at nodes ([`Ask`]), answers from a node on, and the
//! attention of transformers ([`Attentions`]). What is
//! computed again and what not, batches, threads and memory are decided here, and nowhere else.

mod activations;
mod answers;
mod attention;
mod gradients;
mod series;

pub use activations::Reading;
pub use answers::Variants;
pub use attention::{AttentionBlock, Attentions, EachBlock};
pub(crate) use attention::{Pool, is_softmax_of_attention};
pub use gradients::{Answer, Ask};
pub use series::Series;

/// Larger batches make nothing faster: the caches are full long before.
const LARGEST_BATCH: usize = 8;

/// The same of walks back, which hold the activations of all layers.
const LARGEST_BATCH_BACK: usize = 2;
