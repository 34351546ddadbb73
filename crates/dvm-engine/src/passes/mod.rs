//! Rewrites of a graph that compute the same with less work. Each takes a graph and returns
//! another; nodes that `keep` names stay nodes of their own, so that they can still be read.

mod cut;
mod fold_batch_norm;
mod fuse;
mod only_read_tokens;
mod read_out;
mod without_auxiliaries;

pub use cut::{cut, last_cut};
pub use fold_batch_norm::fold_batch_norm;
pub use fuse::{fuse, fuse_for_training};
pub use only_read_tokens::only_read_tokens;
pub use read_out::read_out;
pub use without_auxiliaries::without_auxiliaries;

use crate::Node;

/// Whether a node must stay a node of its own.
pub type KeepNode<'a> = dyn Fn(&Node) -> bool + 'a;
