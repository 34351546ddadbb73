//! Swin's windows: partitioned from a feature map, attended, and put back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dvm_engine::Tensor;
use dvm_engine::ops::Class;
use dvm_engine::ops::Op;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::window_attention::{UNSEEN, WindowAttention};

use super::scores::{FARTHEST, Layout, Scores, as_index, features};
use crate::import::Array;
use crate::import::builder::GraphBuilder;
use crate::import::patterns::source_indices::{SourceIndices, is_in_order, is_move};

/// Attention in windows that was found in the graph.
pub(super) struct WindowMatch {
    /// The node whose value it reads.
    pub source: usize,
    /// The node whose value it computes, with the layers before and after.
    pub end: usize,
    pub op: Arc<dyn Op>,
    /// The name of its node.
    pub name: String,
    /// Rows and columns of the feature map.
    pub size: (usize, usize),
    /// Whether one window covers the map.
    pub is_only: bool,
    /// The relative position bias.
    pub table: Array,
    /// The layer that computes queries, keys and values, if the map is partitioned before it.
    pub layer_before: Option<usize>,
    /// The layer after, if windows are put back after it.
    pub layer_after: Option<usize>,
}

/// Attention in windows with these scores.
pub(super) fn windowed(
    graph: &mut GraphBuilder,
    lives: &[bool],
    scores: &Scores,
    layout: &Layout,
    name: &str,
) -> Option<WindowMatch> {
    let start = PartitionedMap::of(graph, layout)?;
    let (h, w) = start.size;
    let window = scores.tokens.isqrt();
    let first = start.pixel(layout.token[0]);
    // The first pixel of the first window gives the shift.
    let op = WindowAttention {
        heads: layout.heads,
        window,
        shift: (first / w % window).max(first % w % window),
    };
    let fits = window * window == scores.tokens
        && h % window == 0
        && w % window == 0
        && scores.count == h * w / scores.tokens * layout.heads;
    if !fits {
        return None;
    }
    let table = bias(op, &start, scores, layout)?;
    let map = [1, 3 * layout.features, h, w];
    op.output_shape(&[&map], &[&table.shape]).ok()?;
    let results = layout.results(scores, |token| start.pixel(token))?;
    let (end, layer_after) = reversed(graph, lives, (scores, layout), start.size, &results)?;
    Some(WindowMatch {
        source: start.node,
        end,
        op: Arc::new(op),
        name: name.to_owned(),
        size: start.size,
        is_only: h * w == scores.tokens,
        table,
        layer_before: (start.node != layout.qkv).then_some(layout.qkv),
        layer_after,
    })
}

/// The feature map that is partitioned into windows.
struct PartitionedMap {
    node: usize,
    size: (usize, usize),
    /// The pixel of each token, if they are not in order.
    pixels: Option<Vec<usize>>,
}

impl PartitionedMap {
    fn of(graph: &mut GraphBuilder, layout: &Layout) -> Option<Self> {
        let made = &graph.nodes[layout.qkv];
        if let &[_, _, h, w] = &made.shape[..] {
            return Some(Self {
                node: layout.qkv,
                size: (h, w),
                pixels: None,
            });
        }
        made.op_as::<Linear>()?;
        let rows = made.inputs[0];
        let node = graph.origin(rows, false);
        let width = *graph.nodes[rows].shape.last()?;
        let mut moves = SourceIndices::of_stored(graph, node)?;
        let pixels = whole_rows(moves.at(graph, rows)?.data(), width)?;
        let mut seen = vec![false; pixels.len()];
        for &pixel in &pixels {
            if std::mem::replace(seen.get_mut(pixel)?, true) {
                return None;
            }
        }
        let path = moves.nodes_to(graph, rows);
        let map = std::iter::once(node).chain(path).find(|&at| {
            let shape = &graph.nodes[at].shape;
            let is_map = shape.len() == 4 && shape[1] == width;
            let indices = moves.at(graph, at).map(Tensor::data);
            is_map && indices.is_some_and(is_in_order)
        })?;
        let size = (graph.nodes[map].shape[2], graph.nodes[map].shape[3]);
        let shape = &graph.nodes[node].shape[..];
        let is_read = shape == [1, width, size.0, size.1] || shape == [1, pixels.len(), width];
        (is_read && size.0 * size.1 == pixels.len()).then_some(Self {
            node,
            size,
            pixels: Some(pixels),
        })
    }

    fn pixel(&self, token: usize) -> usize {
        self.pixels.as_ref().map_or(token, |pixels| pixels[token])
    }
}

/// The source row of each row of `width` indices, if all are whole rows.
fn whole_rows(indices: &[f32], width: usize) -> Option<Vec<usize>> {
    let row = |row: &[f32]| {
        let first = as_index(row[0]);
        let mut indices = row.iter().enumerate();
        let is_whole = indices.all(|(at, &index)| as_index(index) == first + at);
        (is_whole && first.is_multiple_of(width)).then_some(first / width)
    };
    indices.chunks_exact(width).map(row).collect()
}

/// The relative position bias, if what is added to the scores is what [`WindowAttention`] adds.
fn bias(
    op: WindowAttention,
    start: &PartitionedMap,
    scores: &Scores,
    layout: &Layout,
) -> Option<Array> {
    let tokens = scores.tokens;
    let windows = op.windows(start.size.0, start.size.1);
    let begins = windows.iter().map(|window| (window.pixels[0], window));
    let begins: BTreeMap<usize, _> = begins.collect();
    let shape = [(2 * op.window - 1).pow(2), op.heads];
    let mut table: Vec<Option<f32>> = vec![None; shape[0] * shape[1]];
    let mut seen = BTreeSet::new();
    let pixels: Vec<usize> = layout.token.iter().map(|&t| start.pixel(t)).collect();
    let each = || pixels.chunks_exact(tokens).zip(&layout.head).enumerate();
    // First collect what is added where pixels attend to each other, then check that it is the same everywhere.
    for is_first in [true, false] {
        for (one, (pixels, &head)) in each() {
            let window = begins.get(&pixels[0])?;
            if window.pixels != pixels || is_first && !seen.insert((pixels[0], head)) {
                return None;
            }
            for from in 0..tokens {
                for to in 0..tokens {
                    let added = scores.added[(one * tokens + from) * tokens + to];
                    let sees = window.regions[from] == window.regions[to];
                    let own = &mut table[op.table_row(from, to) * op.heads + head];
                    match (is_first, *own) {
                        (true, None) if sees => *own = Some(added),
                        (true, _) => {}
                        (false, Some(bias)) => {
                            let expected = if sees { bias } else { bias + UNSEEN };
                            if added != expected {
                                return None;
                            }
                        }
                        (false, None) => return None,
                    }
                }
            }
        }
    }
    let table: Option<Vec<f32>> = table.into_iter().collect();
    Some(Array::floats(&shape, table?))
}

/// The node where the windows are a feature map again, and the layer before it, if there is one.
fn reversed(
    graph: &mut GraphBuilder,
    lives: &[bool],
    (scores, layout): (&Scores, &Layout),
    (h, w): (usize, usize),
    results: &[usize],
) -> Option<(usize, Option<usize>)> {
    let product = scores.products[1];
    let mut moves = SourceIndices::of_row_major(graph, product)?;
    let is_whole = |graph: &GraphBuilder, node: usize, features: usize| {
        let shape = &graph.nodes[node].shape[..];
        shape == [1, features, h, w] || shape == [1, h * w, features]
    };
    let end = first_move_after(graph, lives, product, |graph, node| {
        is_whole(graph, node, layout.features)
            && arrives(moves.at(graph, node), |index| results[index])
    });
    if let Some(end) = end {
        return Some((end, None));
    }
    let last = (product + FARTHEST).min(graph.nodes.len() - 1);
    let layer = (product..=last).find(|&node| {
        let made = &graph.nodes[node];
        let is_layer = lives[node] && made.op.class() == Class::Linear;
        is_layer && graph.origin(made.inputs[0], false) == product
    })?;
    let rows = moves.at(graph, graph.nodes[layer].inputs[0])?;
    let indices = rows
        .data()
        .iter()
        .map(|&index| results[as_index(index)] as f32);
    let pixels = whole_rows(&indices.collect::<Vec<f32>>(), layout.features)?;
    let [own, features] = [graph.nodes[layer].inputs[0], layer].map(|node| features(graph, node));
    if own? != layout.features {
        return None;
    }
    let features = features?;
    let mut moves = SourceIndices::of_stored(graph, layer)?;
    let end = first_move_after(graph, lives, layer, |graph, node| {
        is_whole(graph, node, features)
            && arrives(moves.at(graph, node), |index| {
                pixels[index / features] * features + index % features
            })
    })?;
    Some((end, Some(layer)))
}

/// Whether every value is stored at the index that `to` gives for its source index.
fn arrives(indices: Option<&Tensor>, to: impl Fn(usize) -> usize) -> bool {
    let stored = indices.map(|indices| indices.data());
    stored.is_some_and(|stored| {
        let mut stored = stored.iter().enumerate();
        stored.all(|(at, &index)| to(as_index(index)) == at)
    })
}

/// The first of `start` and the moves after it that this holds for.
fn first_move_after(
    graph: &mut GraphBuilder,
    lives: &[bool],
    start: usize,
    mut holds: impl FnMut(&mut GraphBuilder, usize) -> bool,
) -> Option<usize> {
    let last = (start + FARTHEST).min(graph.nodes.len() - 1);
    (start..=last).find(|&node| {
        let may_be = node == start || is_move(&graph.nodes[node]);
        lives[node] && may_be && holds(graph, node)
    })
}
