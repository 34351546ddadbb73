//! A convolution can add a residual and apply an activation while its result is still in cache.

use std::sync::Arc;

use super::KeepNode;
use crate::ops::activation::Activation;
use crate::ops::add::Add;
use crate::ops::conv2d::Conv2d;
use crate::{Graph, Node, NodeId};

/// Merges `convolution → add → activation` chains (either follower may be missing) into one node
/// with the last one's name and value, wherever nobody else reads what lies between and `keep`
/// does not ask for it. The result can only be walked forwards.
pub fn fuse(graph: &Graph, keep: &KeepNode) -> Graph {
    let consumers = graph.consumers();
    // The only reader of a node whose own value nobody asks for.
    let next = |id: NodeId| match consumers[id.0][..] {
        [only] if id != graph.output() && !keep(graph.node(id)) => Some(only),
        _ => None,
    };
    // For each node, the chain that ends there: the convolution, the residual, the activation.
    let mut chains: Vec<Option<Chain>> = vec![None; graph.nodes().len()];
    let mut taken = vec![false; graph.nodes().len()];
    for id in graph.ids() {
        let Some(conv) = graph.node(id).op_as::<Conv2d>() else {
            continue;
        };
        let mut chain = Chain {
            nodes: vec![id],
            residual: None,
            activation: conv.activation,
        };
        let mut end = id;
        if let Some(add) = next(end).filter(|add| !taken[add.0])
            && conv.activation.is_none()
            && !conv.residual
            && graph.node(add).op_as::<Add>().is_some()
        {
            chain.residual = graph.node(add).inputs.iter().copied().find(|&i| i != end);
            if chain.residual.is_some() {
                chain.nodes.push(add);
                end = add;
            }
        }
        if let Some(follower) = next(end)
            && chain.activation.is_none()
            && let Some(&activation) = graph.node(follower).op_as::<Activation>()
        {
            chain.activation = Some(activation);
            chain.nodes.push(follower);
            end = follower;
        }
        if chain.nodes.len() > 1 {
            chain.nodes.iter().for_each(|n| taken[n.0] = true);
            chains[end.0] = Some(chain);
        }
    }
    let mut moved = vec![NodeId(usize::MAX); graph.nodes().len()];
    let mut nodes: Vec<Node> = Vec::new();
    for id in graph.ids() {
        let node = match &chains[id.0] {
            Some(chain) => chain.node(graph, &moved),
            None if taken[id.0] => continue,
            None => {
                let mut copy = graph.node(id).clone();
                copy.inputs = copy.inputs.iter().map(|i| moved[i.0]).collect();
                copy
            }
        };
        nodes.push(node);
        moved[id.0] = NodeId(nodes.len() - 1);
    }
    Graph::from_parts(
        nodes,
        moved[graph.output().0],
        graph.parameters().to_vec(),
        graph.values().to_vec(),
    )
    .run_like(graph)
}

#[derive(Clone)]
struct Chain {
    nodes: Vec<NodeId>,
    residual: Option<NodeId>,
    activation: Option<Activation>,
}

impl Chain {
    /// The one node that computes the whole chain.
    fn node(&self, graph: &Graph, moved: &[NodeId]) -> Node {
        let (first, last) = (self.nodes[0], self.nodes[self.nodes.len() - 1]);
        let start = graph.node(first);
        let conv = start.op_as::<Conv2d>().expect("a chain starts with one");
        let mut merged = start.merged.clone();
        for &between in &self.nodes[..self.nodes.len() - 1] {
            merged.push(graph.node(between).name.clone());
        }
        Node {
            name: graph.node(last).name.clone(),
            op: Arc::new(Conv2d {
                residual: conv.residual || self.residual.is_some(),
                activation: self.activation,
                ..conv.clone()
            }),
            inputs: start
                .inputs
                .iter()
                .chain(&self.residual)
                .map(|i| moved[i.0])
                .collect(),
            parameters: start.parameters.clone(),
            merged,
        }
    }
}
