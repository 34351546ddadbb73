//! Removes what only training computes.

use crate::graph::blueprint::Parts;
use crate::{Blueprint, Graph, Node, NodeId};

/// The part of the graph that leads to its logits: without auxiliary heads and their parameters.
pub fn without_auxiliaries(graph: &Graph) -> Graph {
    let (nodes, output) = leading_to(graph.nodes(), graph.output());
    graph.part(nodes, output)
}

impl Blueprint {
    /// The part that leads to the logits: without auxiliary heads and their parameters.
    #[must_use]
    pub fn without_auxiliaries(self) -> Self {
        let Parts {
            nodes,
            parameters,
            output,
            ..
        } = self.into_parts();
        let (mut nodes, output) = leading_to(&nodes, output);
        let mut moved = vec![None; parameters.len()];
        let mut kept = Vec::new();
        for place in nodes.iter_mut().flat_map(|node| &mut node.parameters) {
            *place = *moved[*place].get_or_insert_with(|| {
                kept.push(parameters[*place].clone());
                kept.len() - 1
            });
        }
        Self::from_parts(Parts {
            nodes,
            parameters: kept,
            output,
            auxiliaries: Vec::new(),
        })
    }
}

/// The nodes that `output` is computed from, the input, and where `output` is among them.
fn leading_to(all: &[Node], output: NodeId) -> (Vec<Node>, NodeId) {
    let mut leads = vec![false; all.len()];
    leads[0] = true;
    leads[output.0] = true;
    for (id, node) in all.iter().enumerate().rev() {
        if leads[id] {
            node.inputs.iter().for_each(|input| leads[input.0] = true);
        }
    }
    let mut moved = vec![NodeId(usize::MAX); all.len()];
    let mut nodes = Vec::new();
    for (id, node) in all.iter().enumerate().filter(|(id, _)| leads[*id]) {
        moved[id] = NodeId(nodes.len());
        let mut node = node.clone();
        node.inputs
            .iter_mut()
            .for_each(|input| *input = moved[input.0]);
        nodes.push(node);
    }
    (nodes, moved[output.0])
}
