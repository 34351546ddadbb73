//! Windows that are cut out of a map and put back, as Swin's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dvm_engine::Tensor;
use dvm_engine::ops::Op;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::window_attention::{UNSEEN, WindowAttention};

use super::super::array::Array;
use super::super::draft::Draft;
use super::super::moves::{Moves, is_in_order};
use super::{FARTHEST, Found, Layout, Scores, Windows, arrives, behind, features, place};

/// Attention of pixels within windows of a map.
pub(super) fn windowed(
    draft: &mut Draft,
    lives: &[bool],
    scores: &Scores,
    layout: &Layout,
    name: &str,
) -> Option<Found> {
    let start = Start::of(draft, layout)?;
    let (h, w) = start.size;
    let window = scores.tokens.isqrt();
    let first = start.pixel(layout.token[0]);
    // Where the first window begins tells the shift.
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
    let (end, behind) = put_together(draft, lives, (scores, layout), start.size, &results)?;
    Some(Found {
        source: start.node,
        end,
        op: Arc::new(op),
        windows: Windows {
            size: start.size,
            is_only: h * w == scores.tokens,
            table,
            before: (start.node != layout.qkv).then_some(layout.qkv),
            behind,
        },
        name: name.to_owned(),
    })
}

/// The map that windows are cut out of.
struct Start {
    node: usize,
    size: (usize, usize),
    /// The pixel that each token is, where they are not in order.
    pixels: Option<Vec<usize>>,
}

impl Start {
    fn of(draft: &mut Draft, layout: &Layout) -> Option<Self> {
        let made = &draft.nodes[layout.qkv];
        if let &[_, _, h, w] = &made.shape[..] {
            return Some(Self {
                node: layout.qkv,
                size: (h, w),
                pixels: None,
            });
        }
        made.op_as::<Linear>()?;
        let rows = made.inputs[0];
        let node = draft.origin(rows, false);
        let width = *draft.nodes[rows].shape.last()?;
        let mut moves = Moves::of_stored(draft, node)?;
        let pixels = whole_rows(moves.numbered(draft, rows)?.data(), width)?;
        let mut seen = vec![false; pixels.len()];
        for &pixel in &pixels {
            if std::mem::replace(seen.get_mut(pixel)?, true) {
                return None;
            }
        }
        let way = moves.on_the_way(draft, rows);
        let map = std::iter::once(node).chain(way).find(|&at| {
            let shape = &draft.nodes[at].shape;
            let is_map = shape.len() == 4 && shape[1] == width;
            let numbers = moves.numbered(draft, at).map(Tensor::data);
            is_map && numbers.is_some_and(is_in_order)
        })?;
        let size = (draft.nodes[map].shape[2], draft.nodes[map].shape[3]);
        let shape = &draft.nodes[node].shape[..];
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

/// Which row each row of `width` numbers is, if they are whole rows.
fn whole_rows(numbers: &[f32], width: usize) -> Option<Vec<usize>> {
    let row = |row: &[f32]| {
        let first = place(row[0]);
        let mut numbers = row.iter().enumerate();
        let is_whole = numbers.all(|(at, &number)| place(number) == first + at);
        (is_whole && first.is_multiple_of(width)).then_some(first / width)
    };
    numbers.chunks_exact(width).map(row).collect()
}

/// The table that holds what is added to the scores, if it is added as [`WindowAttention`] does.
fn bias(op: WindowAttention, start: &Start, scores: &Scores, layout: &Layout) -> Option<Array> {
    let tokens = scores.tokens;
    let windows = op.windows(start.size.0, start.size.1);
    let begins = windows.iter().map(|window| (window.pixels[0], window));
    let begins: BTreeMap<usize, _> = begins.collect();
    let shape = [(2 * op.window - 1).pow(2), op.heads];
    let mut table: Vec<Option<f32>> = vec![None; shape[0] * shape[1]];
    let mut seen = BTreeSet::new();
    let pixels: Vec<usize> = layout.token.iter().map(|&t| start.pixel(t)).collect();
    let each = || pixels.chunks_exact(tokens).zip(&layout.head).enumerate();
    // First what is added where pixels see each other, then whether it is the same everywhere.
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

/// Where the map is whole again, and the layer on the way there, if there is one.
fn put_together(
    draft: &mut Draft,
    lives: &[bool],
    (scores, layout): (&Scores, &Layout),
    (h, w): (usize, usize),
    results: &[usize],
) -> Option<(usize, Option<usize>)> {
    let product = scores.products[1];
    let mut moves = Moves::of_named(draft, product)?;
    let is_whole = |draft: &Draft, node: usize, features: usize| {
        let shape = &draft.nodes[node].shape[..];
        shape == [1, features, h, w] || shape == [1, h * w, features]
    };
    let end = behind(draft, lives, product, |draft, node| {
        is_whole(draft, node, layout.features)
            && arrives(moves.numbered(draft, node), |number| results[number])
    });
    if let Some(end) = end {
        return Some((end, None));
    }
    let last = (product + FARTHEST).min(draft.nodes.len() - 1);
    let layer = (product..=last).find(|&node| {
        let made = &draft.nodes[node];
        let is_layer = lives[node] && made.op_as::<Linear>().is_some();
        is_layer && draft.origin(made.inputs[0], false) == product
    })?;
    let rows = moves.numbered(draft, draft.nodes[layer].inputs[0])?;
    let numbers = rows
        .data()
        .iter()
        .map(|&number| results[place(number)] as f32);
    let pixels = whole_rows(&numbers.collect::<Vec<f32>>(), layout.features)?;
    let [own, features] = [draft.nodes[layer].inputs[0], layer].map(|node| features(draft, node));
    if own? != layout.features {
        return None;
    }
    let features = features?;
    let mut moves = Moves::of_stored(draft, layer)?;
    let end = behind(draft, lives, layer, |draft, node| {
        is_whole(draft, node, features)
            && arrives(moves.numbered(draft, node), |number| {
                pixels[number / features] * features + number % features
            })
    })?;
    Some((end, Some(layer)))
}
