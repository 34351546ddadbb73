//! Fuses sums and activations into the layer before them: a convolution, linear layer or batch-norm adds
//! a residual and applies an activation while its result is in cache.

use std::sync::Arc;

use super::KeepNode;
use crate::ops::activation::Activation;
use crate::ops::add::Add;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::linear::{FusedLinear, Linear};
use crate::ops::{Class, Op};
use crate::{Graph, Node, NodeId};

/// Merges `convolution → add → activation` chains (the sum or the activation may be missing) into one
/// node with the name and value of the last one, if nothing else reads the values between and `keep`
/// does not select them. Then the same for linear layers, and for remaining batch-norms with ReLU or
/// ReLU6. The result has no backward pass.
pub fn fuse(graph: &Graph, keep: &KeepNode) -> Graph {
    let graph = merge::<Conv2d>(graph, keep, is_idle);
    let graph = merge::<Linear>(&graph, keep, is_idle);
    merge::<BatchNorm>(&graph, keep, is_idle)
}

/// The same for `batch-norm → add → activation`, with activations whose input follows from their output:
/// in training, no value between is stored. Parameters stay the same, so the result can be trained in
/// place of the original.
pub fn fuse_for_training(graph: &Graph) -> Graph {
    merge::<BatchNorm>(graph, &|_| false, |_| false)
}

/// An op that can add a residual and apply an activation.
trait Start: Op + Sized {
    /// Whether it adds a residual already, and the activation that it applies.
    fn fused(&self) -> (bool, Option<Activation>);

    /// Whether it can apply this activation.
    fn applies(activation: Activation) -> bool;

    /// The same with these.
    fn fusing(&self, residual: bool, activation: Option<Activation>) -> Arc<dyn Op>;
}

impl Start for Conv2d {
    fn fused(&self) -> (bool, Option<Activation>) {
        (self.residual, self.activation)
    }

    fn applies(_: Activation) -> bool {
        true
    }

    fn fusing(&self, residual: bool, activation: Option<Activation>) -> Arc<dyn Op> {
        Arc::new(Self {
            residual,
            activation,
            ..self.clone()
        })
    }
}

impl Start for Linear {
    fn fused(&self) -> (bool, Option<Activation>) {
        (false, None)
    }

    fn applies(_: Activation) -> bool {
        true
    }

    fn fusing(&self, residual: bool, activation: Option<Activation>) -> Arc<dyn Op> {
        Arc::new(FusedLinear {
            residual,
            activation,
        })
    }
}

impl Start for BatchNorm {
    fn fused(&self) -> (bool, Option<Activation>) {
        (self.residual, self.activation)
    }

    fn applies(activation: Activation) -> bool {
        activation.is_clamp()
    }

    fn fusing(&self, residual: bool, activation: Option<Activation>) -> Arc<dyn Op> {
        Arc::new(Self {
            residual,
            activation,
            ..*self
        })
    }
}

/// Merges chains that begin with a `T`, across nodes that are `idle`.
fn merge<T: Start>(graph: &Graph, keep: &KeepNode, idle: fn(&Node) -> bool) -> Graph {
    let consumers = graph.consumers();
    let is_head = |id: NodeId| graph.auxiliaries().iter().any(|&(head, _)| head == id);
    // The only reader of a node whose own value is not needed.
    let next = |id: NodeId| match consumers[id.0][..] {
        [only] if id != graph.output() && !is_head(id) && !keep(graph.node(id)) => Some(only),
        _ => None,
    };
    // For each node, the chain that ends there: its start, the residual, the activation.
    let mut chains: Vec<Option<Chain>> = vec![None; graph.nodes().len()];
    let mut taken = vec![false; graph.nodes().len()];
    for id in graph.ids() {
        let Some(start) = graph.node(id).op_as::<T>() else {
            continue;
        };
        let (has_residual, activation) = start.fused();
        let mut chain = Chain {
            nodes: vec![id],
            residual: None,
            activation,
        };
        // Nodes that do nothing in inference are skipped.
        let after = |chain: &mut Chain| {
            let mut end = chain.nodes[chain.nodes.len() - 1];
            while let Some(passed) = next(end).filter(|&id| idle(graph.node(id))) {
                chain.nodes.push(passed);
                end = passed;
            }
            end
        };
        let mut end = after(&mut chain);
        if let Some(add) = next(end).filter(|add| !taken[add.0])
            && activation.is_none()
            && !has_residual
            && graph.node(add).op_as::<Add>().is_some()
        {
            chain.residual = graph.node(add).inputs.iter().copied().find(|&i| i != end);
            if chain.residual.is_some() {
                chain.nodes.push(add);
                end = after(&mut chain);
            }
        }
        if let Some(follower) = next(end)
            && chain.activation.is_none()
            && let Some(&activation) = graph.node(follower).op_as::<Activation>()
            && T::applies(activation)
        {
            chain.activation = Some(activation);
            chain.nodes.push(follower);
            end = follower;
        }
        if chain.residual.is_some() || chain.activation != activation {
            chain.nodes.iter().for_each(|n| taken[n.0] = true);
            chains[end.0] = Some(chain);
        }
    }
    let mut moved = vec![NodeId(usize::MAX); graph.nodes().len()];
    let mut nodes: Vec<Node> = Vec::new();
    for id in graph.ids() {
        let node = match &chains[id.0] {
            Some(chain) => chain.node::<T>(graph, &moved),
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
    graph.rewritten(nodes, &moved)
}

/// Whether a node does nothing in inference.
fn is_idle(node: &Node) -> bool {
    node.op.class() == Class::Identity
}

#[derive(Clone)]
struct Chain {
    nodes: Vec<NodeId>,
    residual: Option<NodeId>,
    activation: Option<Activation>,
}

impl Chain {
    /// The one node that computes the whole chain.
    fn node<T: Start>(&self, graph: &Graph, moved: &[NodeId]) -> Node {
        let (first, last) = (self.nodes[0], self.nodes[self.nodes.len() - 1]);
        let start = graph.node(first);
        let op = start.op_as::<T>().expect("a chain starts with one");
        let mut merged = start.merged.clone();
        for &between in &self.nodes[..self.nodes.len() - 1] {
            merged.push(graph.node(between).name.clone());
        }
        Node {
            name: graph.node(last).name.clone(),
            op: op.fusing(op.fused().0 || self.residual.is_some(), self.activation),
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
