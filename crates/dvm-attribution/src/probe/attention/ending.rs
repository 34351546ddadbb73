//! Finds the tokens that a network's output is computed from.

use dvm_engine::ops::Class;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::{Graph, Node, NodeId};

/// The tokens of a value whose features depend on one token each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Along {
    /// Their axis.
    axis: usize,
    /// Their indices.
    tokens: Vec<usize>,
}

/// The tokens of the node `start`, whose value has all `tokens` along an axis, that the output or
/// an op that mixes tokens is computed from, in order.
pub(super) fn tokens_read(
    graph: &Graph,
    shapes: &[Vec<usize>],
    (start, axis): (NodeId, usize),
    tokens: usize,
) -> Vec<usize> {
    let matters = leading_to_the_output(graph);
    let mut known: Vec<Option<Along>> = vec![None; graph.nodes().len()];
    known[start.index()] = Some(Along {
        axis,
        tokens: (0..tokens).collect(),
    });
    let mut read = vec![false; tokens];
    for id in graph.ids().filter(|id| *id > start && matters[id.index()]) {
        let node = graph.node(id);
        let from: Vec<(&Along, &[usize])> = node
            .inputs
            .iter()
            .filter_map(|input| Some((known[input.index()].as_ref()?, &shapes[input.index()][..])))
            .collect();
        if from.is_empty() {
            continue;
        }
        let kept = behind(node, &from, &shapes[id.index()]);
        if kept.is_none() {
            let mixed = from.iter().flat_map(|(along, _)| &along.tokens);
            mixed.for_each(|&token| read[token] = true);
        }
        known[id.index()] = kept;
    }
    if let Some(along) = &known[graph.output().index()] {
        along.tokens.iter().for_each(|&token| read[token] = true);
    }
    (0..tokens).filter(|&token| read[token]).collect()
}

fn leading_to_the_output(graph: &Graph) -> Vec<bool> {
    let mut leads = vec![false; graph.nodes().len()];
    leads[graph.output().index()] = true;
    for (id, node) in graph.nodes().iter().enumerate().rev() {
        if leads[id] {
            node.inputs
                .iter()
                .for_each(|input| leads[input.index()] = true);
        }
    }
    leads
}

/// The tokens of a node's value, from those of its inputs; `None` if the node mixes them.
fn behind(node: &Node, from: &[(&Along, &[usize])], shape: &[usize]) -> Option<Along> {
    let (first, source) = from[0];
    if from.iter().any(|(along, _)| *along != first) {
        return None;
    }
    let Along { axis, tokens } = first.clone();
    let at = |axis: usize| {
        Some(Along {
            axis,
            tokens: tokens.clone(),
        })
    };
    if let Some(slice) = node.op_as::<Slice>() {
        if slice.axis != axis {
            return at(axis);
        }
        let left = tokens.iter().skip(slice.start).step_by(slice.step);
        let tokens = left.take(shape[axis]).copied().collect();
        return Some(Along { axis, tokens });
    }
    if let Some(permute) = node.op_as::<Permute>() {
        return at(permute.axes.iter().position(|&from| from == axis)?);
    }
    if node.op_as::<Reshape>().is_some() || node.op_as::<Flatten>().is_some() {
        // The sides before and at the axis are the same, so those after it are, too.
        let before: usize = source[..axis].iter().product();
        let matches = |&to: &usize| {
            shape[to] == tokens.len() && shape[..to].iter().product::<usize>() == before
        };
        return at((0..shape.len()).find(matches)?);
    }
    if node.op.class() == Class::Linear || node.op_as::<LayerNorm>().is_some() {
        // Only features may be joined: the last axis, or the channels of a map.
        let features = if source.len() == 4 {
            1
        } else {
            source.len() - 1
        };
        return if axis == features { None } else { at(axis) };
    }
    let alike = source.len() == shape.len() && shape[axis] == tokens.len();
    if node.op.class().is_value_by_value() && alike {
        at(axis)
    } else {
        None
    }
}
