//! Finds attention in a graph: the zoo's own op, or a softmax between two products, as exporters write it.

use dvm_engine::ops::Class;
use dvm_engine::ops::attention::Attention;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::{Graph, Node, NodeId};

use super::AttentionBlock;

/// Where the probabilities are computed.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The zoo's op, with queries, keys and values as its input, `[1, T, 3 · D]`.
    Op {
        op: Attention,
        qkv: NodeId,
        /// D.
        features: usize,
    },
    /// A softmax whose value has queries and keys along these axes.
    Softmax { queries: usize, keys: usize },
}

/// An attention of a graph.
pub(super) struct Found {
    pub block: AttentionBlock,
    /// The number of queries and keys.
    pub sides: (usize, usize),
    /// The value of the attention, and the axis of its queries.
    pub behind: (NodeId, usize),
}

/// All attentions of a graph with values of these shapes, for a batch of one, in order.
pub(super) fn attentions(graph: &Graph, shapes: &[Vec<usize>]) -> Vec<Found> {
    let consumers = graph.consumers();
    let of_node = |id: NodeId| {
        let node = graph.node(id);
        let shape = &shapes[id.index()];
        let block = |source: Source, heads: usize| AttentionBlock {
            name: node.name.clone(),
            heads,
            node: id,
            source,
        };
        if let Some(op) = node.op_as::<Attention>() {
            let &[_, tokens, features] = &shape[..] else {
                return None;
            };
            let source = Source::Op {
                op: *op,
                qkv: node.inputs[0],
                features,
            };
            return Some(Found {
                block: block(source, op.heads),
                sides: (tokens, tokens),
                behind: (id, 1),
            });
        }
        let softmax = node.op_as::<Softmax>()?;
        behind(graph, id)?;
        let (product, queries) = ahead(graph, &consumers, shapes, id, softmax.axis)?;
        let sides = (shape[queries], shape[softmax.axis]);
        let heads = shape.iter().product::<usize>() / (sides.0 * sides.1).max(1);
        let keys = softmax.axis;
        Some(Found {
            block: block(Source::Softmax { queries, keys }, heads),
            sides,
            behind: product,
        })
    };
    graph.ids().filter_map(of_node).collect()
}

/// Whether a node is the softmax of an attention: its input comes from a product, and its value goes into one.
pub(crate) fn is_softmax_of_attention(graph: &Graph, id: NodeId) -> bool {
    if graph.node(id).op.class() != Class::Softmax || behind(graph, id).is_none() {
        return false;
    }
    let consumers = graph.consumers();
    let mut next = consumers[id.index()].clone();
    while let Some(id) = next.pop() {
        let node = graph.node(id);
        if node.op.class() == Class::MatrixProduct {
            return true;
        }
        if only_moves(node) {
            next.extend(&consumers[id.index()]);
        }
    }
    false
}

fn only_moves(node: &Node) -> bool {
    matches!(node.op.class(), Class::Rearrangement | Class::Identity)
}

/// The product that the input of a softmax comes from, before scaling, masks and moves.
fn behind(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let mut next = graph.node(id).inputs.clone();
    while let Some(id) = next.pop() {
        let node = graph.node(id);
        if node.op.class() == Class::MatrixProduct {
            return Some(id);
        }
        let changes = matches!(node.op.class(), Class::Sum | Class::Arithmetic);
        if only_moves(node) || changes {
            next.extend(&node.inputs);
        }
    }
    None
}

/// The product that a softmax along axis `keys` goes into, with the axis of the queries there, and
/// the softmax's own axis of queries: the one that the product keeps.
fn ahead(
    graph: &Graph,
    consumers: &[Vec<NodeId>],
    shapes: &[Vec<usize>],
    id: NodeId,
    keys: usize,
) -> Option<((NodeId, usize), usize)> {
    // For each axis of the current value, the axis of the softmax.
    let rank = shapes[id.index()].len();
    let mut axes: Vec<Option<usize>> = (0..rank).map(Some).collect();
    let mut at = id;
    loop {
        let &[next] = &consumers[at.index()][..] else {
            return None;
        };
        let node = graph.node(next);
        let (from, to) = (&shapes[at.index()], &shapes[next.index()]);
        if node.op.class() == Class::MatrixProduct {
            let rank = axes.len();
            // The columns of the first factor are summed over, or the rows of the second.
            let (summed, left) = match node.inputs[0] == at {
                true => (rank - 1, rank - 2),
                false => (rank - 2, rank - 1),
            };
            let queries = axes[left]?;
            let behind = to.len() - rank + left;
            return (axes[summed] == Some(keys)).then_some(((next, behind), queries));
        }
        if let Some(permute) = node.op_as::<Permute>() {
            axes = permute.axes.iter().map(|&axis| axes[axis]).collect();
        } else if node.op_as::<Reshape>().is_some() {
            axes = without_ones(&axes, from, to)?;
        } else if node.op.class() != Class::Identity {
            return None;
        }
        at = next;
    }
}

/// The axes after a reshape that only adds or removes sides of 1.
fn without_ones(
    axes: &[Option<usize>],
    from: &[usize],
    to: &[usize],
) -> Option<Vec<Option<usize>>> {
    let mut rest = axes.iter().zip(from).filter(|(_, side)| **side != 1);
    let mut moved = Vec::with_capacity(to.len());
    for &side in to {
        moved.push(match side {
            1 => None,
            _ => {
                let (axis, own) = rest.next()?;
                (*own == side).then_some(*axis)?
            }
        });
    }
    rest.next().is_none().then_some(moved)
}
