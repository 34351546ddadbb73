//! Rewrites of a graph that compute the same with less work. Each takes a graph and returns another.
//! Nodes that `keep` selects stay nodes, so that their values can be read.

mod cut;
mod fold_batch_norm;
mod fuse;
mod only_read_tokens;
mod read_out;
mod without_auxiliaries;

pub use cut::cut;
pub use fold_batch_norm::fold_batch_norm;
pub use fuse::{fuse, fuse_for_training};
pub use only_read_tokens::only_read_tokens;
pub use read_out::read_out;
pub use without_auxiliaries::without_auxiliaries;

pub use crate::topology::cut_nodes::last_cut;
use crate::{Graph, Node, NodeId};

/// Selects nodes that must stay nodes.
pub type KeepNode<'a> = dyn Fn(&Node) -> bool + 'a;

impl Graph {
    /// A graph of these nodes with the same parameters and outputs; `moved` maps old positions of nodes
    /// to new ones.
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
