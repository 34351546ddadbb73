//! Assigns boxes to layers and orders them within each layer, so that few arrows cross (Sugiyama,
//! Tagawa, Toda 1981).

/// An item in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A box, by index.
    Box(usize),
    /// A lane for the arrows of a box that pass this layer.
    Lane {
        /// The box.
        from: usize,
    },
}

/// A piece of an arrow between two neighbouring layers: indices in both.
pub type Hop = (usize, usize);

/// Items in layers, and the hops between them.
pub struct Layers {
    /// Layers from top to bottom, items from left to right.
    pub items: Vec<Vec<Item>>,
    /// For each layer except the last, the hops to the next one.
    pub hops: Vec<Vec<Hop>>,
    /// The layer of each box.
    pub layer_of: Vec<usize>,
}

/// Number of ordering passes.
const SWEEPS: usize = 8;

impl Layers {
    /// Layers for this many boxes; each arrow leads to a later box.
    pub fn new(boxes: usize, arrows: &[(usize, usize)]) -> Self {
        let mut arrows = arrows.to_vec();
        arrows.sort_unstable_by_key(|&(from, to)| (to, from));
        arrows.dedup();
        let mut layer_of = vec![0; boxes];
        for &(from, to) in &arrows {
            layer_of[to] = layer_of[to].max(layer_of[from] + 1);
        }
        // The last layer of each box's lane.
        let mut lane_end: Vec<usize> = layer_of.iter().map(|layer| layer + 1).collect();
        for &(from, to) in &arrows {
            lane_end[from] = lane_end[from].max(layer_of[to]);
        }
        let count = layer_of.iter().max().map_or(0, |last| last + 1);
        let mut items = vec![Vec::new(); count];
        for (index, &layer) in layer_of.iter().enumerate() {
            items[layer].push(Item::Box(index));
        }
        for (from, &end) in lane_end.iter().enumerate() {
            for layer in &mut items[(layer_of[from] + 1).min(count)..end.min(count)] {
                layer.push(Item::Lane { from });
            }
        }
        let mut all = Self {
            items,
            hops: Vec::new(),
            layer_of,
        };
        let mut pairs = Vec::new();
        for &(from, to) in &arrows {
            let layers = all.layer_of[from]..all.layer_of[to];
            for layer in layers.clone() {
                let upper = match layer == layers.start {
                    true => Item::Box(from),
                    false => Item::Lane { from },
                };
                let lower = match layer + 1 == layers.end {
                    true => Item::Box(to),
                    false => Item::Lane { from },
                };
                pairs.push((layer, upper, lower));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        all.order(&pairs);
        all
    }

    /// Finds an order with few crossings.
    fn order(&mut self, pairs: &[(usize, Item, Item)]) {
        let mut best = (self.items.clone(), self.hops_of(pairs));
        let mut fewest = usize::MAX;
        for sweep in 0..SWEEPS {
            let hops = self.hops_of(pairs);
            let crossings = hops.iter().map(|hops| crossings(hops)).sum();
            // The first order is the given order of the boxes.
            if sweep > 0 && crossings < fewest {
                fewest = crossings;
                best = (self.items.clone(), hops);
            }
            if sweep % 2 == 0 {
                for layer in 1..self.items.len() {
                    self.sort(layer, layer - 1, pairs);
                }
            } else {
                for layer in (0..self.items.len().saturating_sub(1)).rev() {
                    self.sort(layer, layer + 1, pairs);
                }
            }
        }
        (self.items, self.hops) = best;
    }

    /// Orders a layer by the mean position of each item's neighbours in a neighbouring layer.
    fn sort(&mut self, layer: usize, neighbour: usize, pairs: &[(usize, Item, Item)]) {
        let place = positions(&self.items[neighbour]);
        let gap = layer.min(neighbour);
        let of_gap = of_gap(pairs, gap);
        let own = positions(&self.items[layer]);
        let mut sums = vec![(0.0, 0usize); own.len()];
        for &(_, upper, lower) in of_gap {
            let (this, other) = match layer > neighbour {
                true => (lower, upper),
                false => (upper, lower),
            };
            let sum = &mut sums[position(&own, this)];
            sum.0 += position(&place, other) as f64;
            sum.1 += 1;
        }
        // Positions are relative to the width of the layer, so that layers of different sizes match.
        let mut keyed: Vec<(f64, bool, usize, Item)> = Vec::with_capacity(sums.len());
        for (at, &item) in self.items[layer].iter().enumerate() {
            let (sum, count) = sums[at];
            let middle = match count {
                0 => at as f64,
                _ => sum / count as f64,
            };
            keyed.push((middle, matches!(item, Item::Lane { .. }), at, item));
        }
        keyed.sort_by(|a, b| {
            (a.0.total_cmp(&b.0))
                .then(a.1.cmp(&b.1))
                .then(a.2.cmp(&b.2))
        });
        self.items[layer] = keyed.into_iter().map(|(.., item)| item).collect();
    }

    fn hops_of(&self, pairs: &[(usize, Item, Item)]) -> Vec<Vec<Hop>> {
        let places: Vec<_> = self.items.iter().map(|items| positions(items)).collect();
        let gaps = self.items.len().saturating_sub(1);
        let hops = |gap: usize| {
            let pairs = of_gap(pairs, gap).iter();
            let hop = |&(_, upper, lower): &(usize, Item, Item)| {
                (
                    position(&places[gap], upper),
                    position(&places[gap + 1], lower),
                )
            };
            pairs.map(hop).collect()
        };
        (0..gaps).map(hops).collect()
    }
}

/// The pairs of one gap; `pairs` are sorted by gap.
fn of_gap(pairs: &[(usize, Item, Item)], gap: usize) -> &[(usize, Item, Item)] {
    let start = pairs.partition_point(|pair| pair.0 < gap);
    let end = pairs.partition_point(|pair| pair.0 <= gap);
    &pairs[start..end]
}

/// Items with their positions, sorted for binary search.
fn positions(items: &[Item]) -> Vec<(Item, usize)> {
    let mut all: Vec<(Item, usize)> = items.iter().copied().zip(0..).collect();
    all.sort_unstable();
    all
}

fn position(positions: &[(Item, usize)], item: Item) -> usize {
    let found = positions.binary_search_by_key(&item, |&(item, _)| item);
    positions[found.expect("every item of a pair is in its layer")].1
}

/// Number of crossings of these hops.
fn crossings(hops: &[Hop]) -> usize {
    let mut sorted = hops.to_vec();
    sorted.sort_unstable();
    let mut count = 0;
    for (index, &(upper, lower)) in sorted.iter().enumerate() {
        let later = &sorted[index + 1..];
        count += later
            .iter()
            .filter(|&&(u, l)| u > upper && l < lower)
            .count();
    }
    count
}
