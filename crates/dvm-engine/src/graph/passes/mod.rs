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

use crate::{Graph, Node, NodeId};

/// Whether a node must stay a node of its own.
pub type KeepNode<'a> = dyn Fn(&Node) -> bool + 'a;

impl Graph {
    /// The graph of these nodes, with the same parameters, outputs and ways; `moved` says where each of its
    /// nodes is now.
    fn rewritten(&self, nodes: Vec<Node>, moved: &[NodeId]) -> Self {
        let heads = self.auxiliaries().iter();
        let auxiliaries = heads.map(|&(id, weight)| (moved[id.0], weight)).collect();
        Self::from_parts(
            nodes,
            moved[self.output().0],
            self.parameters().to_vec(),
            self.values().to_vec(),
        )
        .with_auxiliaries(auxiliaries)
        .run_like(self)
        .checked_like(self)
    }
}
