//! What only training computes is left out.

use crate::{Graph, NodeId};

/// The part of the graph that leads to its logits: without auxiliary heads and their parameters.
pub fn without_auxiliaries(graph: &Graph) -> Graph {
    let mut leads = vec![false; graph.nodes().len()];
    leads[graph.input().0] = true;
    leads[graph.output().0] = true;
    for (id, node) in graph.nodes().iter().enumerate().rev() {
        if leads[id] {
            node.inputs.iter().for_each(|input| leads[input.0] = true);
        }
    }
    let mut moved = vec![NodeId(usize::MAX); leads.len()];
    let mut nodes = Vec::new();
    for id in graph.ids().filter(|id| leads[id.0]) {
        moved[id.0] = NodeId(nodes.len());
        let mut node = graph.node(id).clone();
        node.inputs
            .iter_mut()
            .for_each(|input| *input = moved[input.0]);
        nodes.push(node);
    }
    graph.part(nodes, moved[graph.output().0])
}
