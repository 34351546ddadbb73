//! A network cut in two: the part that stays fixed, and the part that is trained.

use std::sync::Arc;

use crate::ops::Op;
use crate::ops::input::Input;
use crate::{Error, Graph, Node, NodeId, Tensor};

/// Cuts a graph after the node `at`. The first graph ends there; the second begins with its value `[N,
/// C, H, W]` or `[N, T, D]` and ends where the whole graph ends. Names stay the same.
///
/// # Errors
/// [`Error::Node`] if a node after `at` reads something before it, if the value of `at`, for an
/// input of this shape, is neither feature map nor tokens, or if an auxiliary head comes before it.
pub fn cut(graph: &Graph, at: NodeId, input: &[usize]) -> Result<(Graph, Graph), Error> {
    let shape = &graph.shapes(input)?[at.0];
    let refuse = |node: &Node, detail: String| Error::Node {
        node: node.name.clone(),
        kind: node.op.kind(),
        detail,
    };
    let begin: Arc<dyn Op> = match shape[..] {
        [_, channels, _, _] => Arc::new(Input::Pictures { channels }),
        [_, _, features] => Arc::new(Input::Tokens { features }),
        _ => {
            let detail = format!(
                "gives {shape:?}, but a network is cut at feature maps [N, C, H, W] or tokens [N, T, D]"
            );
            return Err(refuse(graph.node(at), detail));
        }
    };
    if let Some((head, _)) = graph.auxiliaries().iter().find(|(head, _)| *head <= at) {
        let detail = format!(
            "ends an auxiliary head before `{}`, where the network should be cut",
            graph.node(at).name
        );
        return Err(refuse(graph.node(*head), detail));
    }
    let front = graph.part(graph.nodes()[..=at.0].to_vec(), at);
    let mut nodes = vec![Node {
        name: graph.node(NodeId(0)).name.clone(),
        op: begin,
        inputs: Vec::new(),
        parameters: Vec::new(),
        merged: Vec::new(),
    }];
    for node in &graph.nodes()[at.0 + 1..] {
        let mut node = node.clone();
        for place in &mut node.inputs {
            let Some(moved) = place.0.checked_sub(at.0) else {
                let before = &graph.node(*place).name;
                let detail = format!(
                    "reads `{before}`, which comes before `{}`, where the network was to be cut",
                    graph.node(at).name
                );
                return Err(refuse(&node, detail));
            };
            *place = NodeId(moved);
        }
        nodes.push(node);
    }
    let moved = |id: NodeId| NodeId(id.0 - at.0);
    let heads = graph.auxiliaries().iter();
    let auxiliaries = heads.map(|&(id, weight)| (moved(id), weight)).collect();
    let back = graph.part(nodes, moved(graph.output()));
    Ok((front, back.with_auxiliaries(auxiliaries)))
}

impl Graph {
    /// Some of the nodes as a graph, with the parameters that they read.
    pub(super) fn part(&self, mut nodes: Vec<Node>, output: NodeId) -> Graph {
        let mut places: Vec<usize> = nodes.iter().flat_map(|n| n.parameters.clone()).collect();
        places.sort_unstable();
        places.dedup();
        for place in nodes.iter_mut().flat_map(|node| &mut node.parameters) {
            *place = places.binary_search(place).expect("all are listed");
        }
        let parameters = places.iter().map(|&p| self.parameters()[p].clone());
        let values = places.iter().map(|&p| self.values()[p].clone());
        let (parameters, values) = (parameters.collect(), values.collect::<Vec<Tensor>>());
        Graph::from_parts(nodes, output, parameters, values).run_like(self)
    }
}
