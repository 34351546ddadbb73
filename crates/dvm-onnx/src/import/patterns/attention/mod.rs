//! Attention in windows (Swin) that a file writes as several operators, as the engine's op.
//!
//! Each exporter slices queries, keys and values, orders, multiplies, adds and concatenates them in its own way, and
//! partitions and reverses Swin's windows. The indices of the values
//! ([`SourceIndices`](super::source_indices::SourceIndices)) show what it does. Every query, key and value, every number
//! added to a score, and every index of the result must be the one that the engine's op reads, adds and writes.
//! Otherwise the nodes stay. Attention between all tokens stays, too, because some methods (DeepLIFT) have a separate
//! rule for its softmax.

mod scores;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dvm_engine::Role;
use dvm_engine::ops::Class;
use dvm_engine::ops::tokens::{Grid, Tokens};

use self::scores::{FARTHEST, Layout, Scores};
use self::windows::WindowMatch;
use crate::import::Result;
use crate::import::builder::{BuilderNode, GraphBuilder};

/// Replaces attention in windows by the engine's op wherever it is found. Returns the node of the output.
///
/// # Errors
/// If the graph becomes too large.
pub(crate) fn recognise(graph: &mut GraphBuilder, output: usize) -> Result<usize> {
    let lives = graph.reachable(output);
    let mut readers = vec![Vec::new(); graph.nodes.len()];
    for (node, made) in graph
        .nodes
        .iter()
        .enumerate()
        .filter(|&(node, _)| lives[node])
    {
        made.inputs
            .iter()
            .for_each(|&input| readers[input].push(node));
    }
    let mut found = BTreeMap::new();
    for node in 0..graph.nodes.len() {
        if lives[node]
            && graph.nodes[node].op.class() == Class::MatrixProduct
            && let Some(one) = find(graph, &lives, &readers, node)
        {
            found.insert(one.end, one);
        }
    }
    // A single window is attention between all tokens, which stays unless the network has several windows elsewhere.
    if found.values().all(|found| found.is_only) {
        return Ok(output);
    }
    rebuilt(graph, found, output)
}

/// The attention whose last step is this product of probabilities and values.
fn find(
    graph: &mut GraphBuilder,
    lives: &[bool],
    readers: &[Vec<usize>],
    product: usize,
) -> Option<WindowMatch> {
    let scores = Scores::before(graph, product)?;
    let layout = Layout::of(graph, &scores)?;
    let name = &graph.nodes[layout.qkv].name;
    let name = match name.rsplit_once('.') {
        Some((path, _)) if !path.is_empty() => path.to_owned(),
        _ => format!("{name}.attention"),
    };
    let found = windows::windowed(graph, lives, &scores, &layout, &name)?;
    is_closed(graph, readers, &found).then_some(found)
}

/// Whether no other node reads a value between an attention's source and its end.
fn is_closed(graph: &GraphBuilder, readers: &[Vec<usize>], found: &WindowMatch) -> bool {
    let mut open = BTreeSet::from([found.end]);
    let mut inside = BTreeSet::new();
    while let Some(node) = open.pop_last() {
        if node == found.source {
            continue;
        }
        let inputs = &graph.nodes[node].inputs;
        if node < found.source || inputs.is_empty() || inside.len() > 8 * FARTHEST {
            return false;
        }
        inside.insert(node);
        open.extend(inputs);
    }
    let mut between = inside.iter().filter(|&&node| node != found.end);
    between.all(|&node| readers[node].iter().all(|reader| inside.contains(reader)))
}

/// Replaces the nodes of each match by the engine's op.
fn rebuilt(
    graph: &mut GraphBuilder,
    mut found: BTreeMap<usize, WindowMatch>,
    output: usize,
) -> Result<usize> {
    let nodes = std::mem::take(&mut graph.nodes);
    let mut now = Vec::with_capacity(nodes.len());
    for (id, mut made) in nodes.into_iter().enumerate() {
        match found.remove(&id) {
            Some(found) => {
                let at = emit(graph, found, &now, &made)?;
                now.push(at);
            }
            None => {
                made.inputs
                    .iter_mut()
                    .for_each(|input| *input = now[*input]);
                graph.nodes.push(made);
                now.push(graph.nodes.len() - 1);
            }
        }
    }
    Ok(now[output])
}

/// Appends the engine's op; `now` maps earlier nodes to their new indices.
fn emit(
    graph: &mut GraphBuilder,
    found: WindowMatch,
    now: &[usize],
    end: &BuilderNode,
) -> Result<usize> {
    let mut at = now[found.source];
    let name = graph.unique(&found.name);
    let (rows, columns) = found.size;
    if graph.nodes[at].shape.len() == 3 {
        let grid = graph.unique(&format!("{name}.grid"));
        at = graph.append(grid, Arc::new(Grid { rows, columns }), vec![at], Vec::new())?;
    }
    let layer = |graph: &mut GraphBuilder, layer: usize, at: usize| {
        let made = &graph.nodes[now[layer]];
        let (name, op) = (made.name.clone(), Arc::clone(&made.op));
        let parameters = made.parameters.clone();
        graph.append(name, op, vec![at], parameters)
    };
    if let Some(before) = found.layer_before {
        at = layer(graph, before, at)?;
    }
    let suffix = "relative_position_bias_table";
    let table = graph.parameter(&found.table, &name, suffix, Role::Bias)?;
    at = graph.append(name.clone(), found.op, vec![at], vec![table])?;
    if let Some(after) = found.layer_after {
        at = layer(graph, after, at)?;
    }
    if graph.nodes[at].shape != end.shape {
        at = as_tokens(graph, at, &name)?;
    }
    debug_assert_eq!(graph.nodes[at].shape, end.shape);
    Ok(at)
}

/// A feature map as tokens; other values stay.
fn as_tokens(graph: &mut GraphBuilder, node: usize, name: &str) -> Result<usize> {
    if graph.nodes[node].shape.len() != 4 {
        return Ok(node);
    }
    let name = graph.unique(&format!("{name}.tokens"));
    graph.append(name, Arc::new(Tokens), vec![node], Vec::new())
}
