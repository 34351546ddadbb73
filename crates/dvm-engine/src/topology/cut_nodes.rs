//! Cut nodes: nodes that all paths from the input to the output go through.

use crate::ops::dropout::Dropout;
use crate::ops::layout::Reads;
use crate::topology::geometry::Geometry;
use crate::{Error, Graph, Node, NodeId, Parameter};

/// The part of a value that the output depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Nothing,
    /// Only tokens without a position, such as the class token.
    OtherTokens,
    All,
}

/// The cut nodes in order: every path from the input to the output goes through them, and the output
/// depends on their value at every position. In the last block of a network that reads only a class
/// token, the sums matter only at that token; the node that its attention reads matters everywhere.
pub(crate) fn cut_nodes(geometry: &Geometry) -> Vec<NodeId> {
    let graph = geometry.graph;
    let nodes = graph.nodes();
    let mut varies = vec![false; nodes.len()];
    for (id, node) in nodes.iter().enumerate() {
        let mut inputs = node.inputs.iter().enumerate();
        varies[id] = node.inputs.is_empty()
            || inputs
                .any(|(index, from)| varies[from.0] && geometry.reads(id, index) != Reads::Nothing);
    }
    let mut need = vec![Need::Nothing; nodes.len()];
    // The last node that reads all of a value.
    let mut last_reader = vec![0; nodes.len()];
    need[graph.output().0] = Need::All;
    for (id, node) in nodes.iter().enumerate().rev() {
        if need[id] == Need::Nothing {
            continue;
        }
        for (index, from) in node.inputs.iter().enumerate() {
            let reads = match geometry.reads(id, index) {
                Reads::Nothing => Need::Nothing,
                Reads::OtherTokens => Need::OtherTokens,
                Reads::Same => need[id],
                Reads::Window(..) | Reads::All => Need::All,
            };
            need[from.0] = need[from.0].max(reads);
            if reads == Need::All && varies[from.0] {
                last_reader[from.0] = last_reader[from.0].max(id);
            }
        }
    }
    let mut found = Vec::new();
    let mut furthest = 0;
    for id in 0..nodes.len() {
        if furthest <= id && need[id] == Need::All && varies[id] {
            found.push(NodeId(id));
        }
        furthest = furthest.max(last_reader[id]);
    }
    found
}

/// The last node after which the network can be cut so that all parameters that `moves` selects come
/// later: no later node reads anything earlier, its value is a feature map or tokens, and no dropout
/// comes earlier. (Stochastic depth may: there it drops nothing.) The input if there is no other.
///
/// # Errors
/// As [`Graph::shapes`].
pub fn last_cut(
    graph: &Graph,
    input: &[usize],
    moves: impl Fn(&Parameter) -> bool,
) -> Result<NodeId, Error> {
    let shapes = graph.shapes(input)?;
    let moving = |node: &Node| {
        let mut parameters = node.parameters.iter();
        parameters.any(|&p| moves(&graph.parameters()[p]))
    };
    let end = graph.nodes().iter().position(moving);
    let end = end.unwrap_or(graph.nodes().len());
    // The earliest node that any node from each position on reads.
    let mut reads_from = vec![usize::MAX; graph.nodes().len() + 1];
    for (id, node) in graph.nodes().iter().enumerate().rev() {
        let nearest = node.inputs.iter().map(|i| i.0).min();
        reads_from[id] = reads_from[id + 1].min(nearest.unwrap_or(usize::MAX));
    }
    let random = |node: &Node| node.op_as::<Dropout>().is_some();
    let dropout = graph.nodes().iter().position(random);
    let end = end.min(dropout.unwrap_or(end));
    let fits = |id: &usize| matches!(shapes[*id].len(), 3 | 4) && reads_from[id + 1] >= *id;
    Ok(NodeId((0..end).rev().find(fits).unwrap_or(0)))
}
