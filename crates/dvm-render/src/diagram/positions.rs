//! Horizontal positions of the items of each layer: near their neighbours in other layers, without
//! overlaps.

use super::layers::{Item, Layers};

/// Pixels between boxes of a layer.
const BETWEEN_BOXES: f64 = 22.0;
/// Pixels beside a lane.
const BESIDE_LANE: f64 = 16.0;

/// The middle of every item, in the order of [`Layers::items`]; `widths` are the widths of the boxes.
pub fn middles(layers: &Layers, widths: &[f64]) -> Vec<Vec<f64>> {
    let width = |item: Item| match item {
        Item::Box(index) => widths[index],
        Item::Lane { .. } => 0.0,
    };
    let apart = |left: Item, right: Item| {
        let lanes = [left, right].map(|item| matches!(item, Item::Lane { .. }));
        let space = if lanes == [false, false] {
            BETWEEN_BOXES
        } else {
            BESIDE_LANE
        };
        (width(left) + width(right)) / 2.0 + space
    };
    // For each item except the first, the minimum distance from the one before.
    let gaps: Vec<Vec<f64>> = layers
        .items
        .iter()
        .map(|items| items.windows(2).map(|two| apart(two[0], two[1])).collect())
        .collect();
    let mut middles: Vec<Vec<f64>> = gaps
        .iter()
        .zip(&layers.items)
        .map(|(gaps, items)| {
            let mut at = -gaps.iter().sum::<f64>() / 2.0;
            let mut all = Vec::with_capacity(items.len());
            for index in 0..items.len() {
                all.push(at);
                at += gaps.get(index).copied().unwrap_or(0.0);
            }
            all
        })
        .collect();
    let aside = aside(layers);
    let count = layers.items.len();
    let down: Vec<usize> = (0..count).collect();
    let up: Vec<usize> = (0..count).rev().collect();
    for round in 0..12 {
        // First look in one direction only, for a rough placement; then in both.
        let (order, looks) = match round % 2 {
            0 => (&down, (true, round >= 6)),
            _ => (&up, (round >= 6, true)),
        };
        for &layer in order {
            let wishes = wishes(layers, &middles, layer, &aside, looks);
            middles[layer] = spread(&wishes, &gaps[layer]);
        }
    }
    middles
}

/// Which boxes are beside the trunk: those that are joined to lanes only.
fn aside(layers: &Layers) -> Vec<Vec<bool>> {
    let boxes_at = |layer: usize| {
        layers.items[layer]
            .iter()
            .map(|i| matches!(i, Item::Box(_)))
    };
    let is_box: Vec<Vec<bool>> = (0..layers.items.len())
        .map(|l| boxes_at(l).collect())
        .collect();
    // Whether there is a hop, and whether one of them leads to a box.
    let mut above: Vec<Vec<(bool, bool)>> = is_box
        .iter()
        .map(|all| vec![(false, false); all.len()])
        .collect();
    let mut below = above.clone();
    for (gap, hops) in layers.hops.iter().enumerate() {
        for &(upper, lower) in hops {
            let seen = &mut below[gap][upper];
            *seen = (true, seen.1 | is_box[gap + 1][lower]);
            let seen = &mut above[gap + 1][lower];
            *seen = (true, seen.1 | is_box[gap][upper]);
        }
    }
    let only_lanes = |(any, to_box): (bool, bool)| any && !to_box;
    let aside = |layer: usize| {
        let items = is_box[layer].iter().enumerate();
        items
            .map(|(at, &is_box)| {
                is_box && (only_lanes(above[layer][at]) || only_lanes(below[layer][at]))
            })
            .collect()
    };
    (0..is_box.len()).map(aside).collect()
}

/// The preferred position of each item of a layer, with a weight.
fn wishes(
    layers: &Layers,
    middles: &[Vec<f64>],
    layer: usize,
    aside: &[Vec<bool>],
    (up, down): (bool, bool),
) -> Vec<(f64, f64)> {
    let items = &layers.items[layer];
    let is_lane = |layer: usize, at: usize| matches!(layers.items[layer][at], Item::Lane { .. });
    // Sums over neighbours of the same kind and of the other kind: boxes follow boxes, lanes follow
    // lanes; the other kind matters only if there are none.
    let mut own = vec![(0.0, 0.0); items.len()];
    let mut other = own.clone();
    let mut add = |at: usize, neighbour: usize, middle: usize| {
        let alike = is_lane(layer, at) == is_lane(neighbour, middle) && !aside[neighbour][middle];
        let sum = if alike { &mut own[at] } else { &mut other[at] };
        sum.0 += middles[neighbour][middle];
        sum.1 += 1.0;
    };
    if up && layer > 0 {
        for &(above, at) in &layers.hops[layer - 1] {
            add(at, layer - 1, above);
        }
    }
    if down && layer + 1 < layers.items.len() {
        for &(at, below) in &layers.hops[layer] {
            add(at, layer + 1, below);
        }
    }
    let wish = |at: usize| {
        // Lanes and boxes beside the trunk have small weights.
        let weight = match (is_lane(layer, at), aside[layer][at]) {
            (true, _) => 0.02,
            (false, true) => 0.2,
            (false, false) => 8.0,
        };
        match (own[at], other[at]) {
            ((sum, count), _) if count > 0.0 => (sum / count, weight),
            (_, (sum, count)) if count > 0.0 => (sum / count, weight / 4.0),
            _ => (middles[layer][at], weight / 8.0),
        }
    };
    (0..items.len()).map(wish).collect()
}

/// The positions nearest to the preferred ones (weighted least squares) that keep order and
/// distances. Items that are too close are joined to blocks, each at the mean of its preferred
/// positions.
fn spread(wishes: &[(f64, f64)], gaps: &[f64]) -> Vec<f64> {
    struct Block {
        sum: f64,
        weight: f64,
        items: usize,
    }
    let mut offsets = vec![0.0; wishes.len()];
    for index in 1..wishes.len() {
        offsets[index] = offsets[index - 1] + gaps[index - 1];
    }
    let mut blocks: Vec<Block> = Vec::new();
    for (&(wish, weight), offset) in wishes.iter().zip(&offsets) {
        blocks.push(Block {
            sum: (wish - offset) * weight,
            weight,
            items: 1,
        });
        while let [.., before, last] = &blocks[..]
            && before.sum / before.weight >= last.sum / last.weight
        {
            let last = blocks.pop().expect("there are two");
            let before = blocks.last_mut().expect("there are two");
            before.sum += last.sum;
            before.weight += last.weight;
            before.items += last.items;
        }
    }
    let starts = blocks
        .iter()
        .flat_map(|block| std::iter::repeat_n(block.sum / block.weight, block.items));
    starts
        .zip(&offsets)
        .map(|(start, offset)| start + offset)
        .collect()
}
