//! The positions of everything on the canvas: layers from top to bottom, in columns if there are
//! many.

use super::Diagram;
use super::layers::{Item, Layers};
use super::positions::middles;

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Bounds {
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// A point in pixels.
pub type Point = (f64, f64);

/// The path of an arrow.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub points: Vec<Point>,
    /// For each piece, whether it is straight; others are curves that start and end vertically.
    pub straight: Vec<bool>,
}

/// The positions of everything.
pub struct Placement {
    pub width: f64,
    pub height: f64,
    pub boxes: Vec<Bounds>,
    /// In the order of [`Diagram::arrows`].
    pub routes: Vec<Route>,
    /// Band, whether it starts here, and its rectangle.
    pub bands: Vec<(usize, bool, Bounds)>,
}

/// Pixels around the drawing.
pub const MARGIN: f64 = 20.0;
/// Pixels for title and legend.
const HEADER: f64 = 66.0;
/// Minimum pixels between layers.
const GAP: f64 = 24.0;
/// Pixels between a band's border and its boxes.
const INSET: f64 = 16.0;
/// Pixels for the name of a band.
const BAND_NAME: f64 = 30.0;
/// Pixels between bands.
const BETWEEN_BANDS: f64 = 18.0;
/// Pixels between columns, for the arrow from one to the next.
const GUTTER: f64 = 44.0;
/// The preferred ratio of width to height.
const PROPORTION: f64 = 1.35;
/// Maximum number of columns.
const MOST_COLUMNS: usize = 8;
/// Penalty, as extra height, for a column that starts inside a band.
const TORN_BAND: f64 = 400.0;
/// Penalty, as a deviation of the ratio, for each of them.
const TEARING: f64 = 0.1;

impl Placement {
    /// Places boxes of these sizes (width, height), in these layers.
    pub fn new(diagram: &Diagram, sizes: &[(f64, f64)], layers: &Layers) -> Self {
        let widths: Vec<f64> = sizes.iter().map(|size| size.0).collect();
        let middles = middles(layers, &widths);
        let table = Table::new(diagram, sizes, layers, &middles);
        let columns = table.columns();
        let mut all = Self {
            width: 0.0,
            height: 0.0,
            boxes: vec![
                Bounds {
                    left: 0.0,
                    top: 0.0,
                    width: 0.0,
                    height: 0.0
                };
                sizes.len()
            ],
            routes: Vec::new(),
            bands: Vec::new(),
        };
        let mut rows = vec![(0.0, 0.0); layers.items.len()];
        let mut shift = vec![0.0; layers.items.len()];
        let mut column_of = vec![0; layers.items.len()];
        // For each column: the middle of the gutter before it, and the end of its last layer.
        let mut gutters = Vec::new();
        let mut left = MARGIN;
        for (index, column) in columns.iter().enumerate() {
            let (least, most) = table.sides(column);
            let named = column.clone().filter_map(|layer| table.bands[layer]);
            let named = named.map(|band| super::svg::name_width(&diagram.bands[band]));
            let width = named.fold(most - least + 2.0 * INSET, f64::max);
            gutters.push(left - GUTTER / 2.0);
            let mut top = MARGIN + HEADER;
            let mut band: Option<(usize, f64)> = None;
            for layer in column.clone() {
                let own = table.bands[layer];
                if band.map(|(band, _)| band) != own {
                    all.close(band.take(), (left, width), &mut top);
                    if let Some(own) = own {
                        band = Some((own, top));
                        top += BAND_NAME;
                    }
                } else if layer > column.start {
                    top += table.gaps[layer - 1];
                }
                rows[layer] = (top, top + table.heights[layer]);
                shift[layer] = left + (width - (most - least)) / 2.0 - least;
                column_of[layer] = index;
                top += table.heights[layer];
            }
            all.close(band, (left, width), &mut top);
            all.height = all.height.max(top + MARGIN);
            left += width + GUTTER;
        }
        all.width = (left - GUTTER + MARGIN).max(table.least_width);
        all.height = all.height.max(MARGIN + HEADER);
        for (layer, items) in layers.items.iter().enumerate() {
            for (at, item) in items.iter().enumerate() {
                if let Item::Box(index) = *item {
                    let (width, height) = sizes[index];
                    let middle = middles[layer][at] + shift[layer];
                    all.boxes[index] = Bounds {
                        left: middle - width / 2.0,
                        top: rows[layer].0 + (table.heights[layer] - height) / 2.0,
                        width,
                        height,
                    };
                }
            }
        }
        let lanes = lanes(layers, &middles);
        for &(from, to) in &diagram.arrows {
            let (first, last) = (layers.layer_of[from], layers.layer_of[to]);
            let (source, target) = (all.boxes[from], all.boxes[to]);
            let mut route = Route {
                points: vec![(source.left + source.width / 2.0, source.bottom())],
                straight: Vec::new(),
            };
            // An arrow is straight beside higher boxes.
            let source = route.points[0].0;
            route.go((source, rows[first].1), true);
            for layer in first + 1..=last {
                let next = if layer == last {
                    target.left + target.width / 2.0
                } else {
                    lanes[&(layer, from)] + shift[layer]
                };
                if column_of[layer] != column_of[layer - 1] {
                    let here = route.points[route.points.len() - 1].0;
                    let below = rows[layer - 1].1 + INSET + BETWEEN_BANDS / 2.0;
                    let above = MARGIN + HEADER - BETWEEN_BANDS / 2.0;
                    let gutter = gutters[column_of[layer]];
                    for corner in [
                        (here, below),
                        (gutter, below),
                        (gutter, above),
                        (next, above),
                        (next, rows[layer].0),
                    ] {
                        route.go(corner, true);
                    }
                } else {
                    route.go((next, rows[layer].0), false);
                }
                let end = if layer == last {
                    target.top
                } else {
                    rows[layer].1
                };
                route.go((next, end), true);
            }
            all.routes.push(route);
        }
        all
    }

    /// Ends a band, if there is one, at `top`, and moves `top` to the start of the next.
    fn close(&mut self, band: Option<(usize, f64)>, (left, width): (f64, f64), top: &mut f64) {
        let Some((band, begin)) = band else { return };
        *top += INSET;
        let first = self.bands.iter().all(|&(other, ..)| other != band);
        let rectangle = Bounds {
            left,
            top: begin,
            width,
            height: *top - begin,
        };
        self.bands.push((band, first, rectangle));
        *top += BETWEEN_BANDS;
    }
}

impl Route {
    fn go(&mut self, to: Point, straight: bool) {
        if self.points.last() != Some(&to) {
            self.points.push(to);
            self.straight.push(straight);
        }
    }
}

/// The middle of each lane, by layer and box.
fn lanes(layers: &Layers, middles: &[Vec<f64>]) -> std::collections::BTreeMap<(usize, usize), f64> {
    let mut lanes = std::collections::BTreeMap::new();
    for (layer, items) in layers.items.iter().enumerate() {
        for (item, &middle) in items.iter().zip(&middles[layer]) {
            if let Item::Lane { from } = *item {
                lanes.insert((layer, from), middle);
            }
        }
    }
    lanes
}

/// The geometry of the layers, before they are split into columns.
struct Table {
    heights: Vec<f64>,
    /// Left and right edge.
    sides: Vec<(f64, f64)>,
    /// From each layer to the next.
    gaps: Vec<f64>,
    /// The band of each layer.
    bands: Vec<Option<usize>>,
    /// Whether a column can start with the layer.
    may_begin: Vec<bool>,
    least_width: f64,
}

impl Table {
    fn new(diagram: &Diagram, sizes: &[(f64, f64)], layers: &Layers, middles: &[Vec<f64>]) -> Self {
        let mut heights = Vec::new();
        let mut sides = Vec::new();
        for (items, middles) in layers.items.iter().zip(middles) {
            let (mut height, mut side) = (0.0f64, (f64::INFINITY, f64::NEG_INFINITY));
            for (item, &middle) in items.iter().zip(middles) {
                let size = match *item {
                    Item::Box(index) => sizes[index],
                    Item::Lane { .. } => (0.0, 0.0),
                };
                height = height.max(size.1);
                side.0 = side.0.min(middle - size.0 / 2.0);
                side.1 = side.1.max(middle + size.0 / 2.0);
            }
            heights.push(height);
            sides.push(side);
        }
        let gap = |(layer, hops): (usize, &Vec<(usize, usize)>)| {
            let aside = |&(upper, lower): &(usize, usize)| {
                (middles[layer][upper] - middles[layer + 1][lower]).abs()
            };
            let furthest = hops.iter().map(aside).fold(0.0, f64::max);
            // Arrows with a large horizontal distance need more height, or they would be almost
            // horizontal.
            GAP + (furthest / 12.0).min(36.0)
        };
        let gaps = layers.hops.iter().enumerate().map(gap).collect();
        let bands = bands(diagram, layers);
        // A column starts with a band, or between layers that are joined by a single box on each side.
        let may_begin = |(layer, hops): (usize, &Vec<(usize, usize)>)| {
            let one_way = hops.iter().all(|hop| hop.0 == hops[0].0);
            let is_box =
                |hop: &&(usize, usize)| matches!(layers.items[layer + 1][hop.1], Item::Box(_));
            let boxes = hops.iter().filter(is_box).count();
            one_way && (boxes < 2 || bands[layer] != bands[layer + 1])
        };
        let begins = layers.hops.iter().enumerate().map(may_begin);
        let may_begin = std::iter::once(true).chain(begins).collect();
        Self {
            heights,
            sides,
            gaps,
            bands,
            may_begin,
            least_width: super::svg::header_width(diagram) + 2.0 * MARGIN,
        }
    }

    fn sides(&self, layers: &std::ops::Range<usize>) -> (f64, f64) {
        let all = self.sides[layers.clone()].iter();
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |all, side| {
            (all.0.min(side.0), all.1.max(side.1))
        })
    }

    /// Whether a column that starts here starts inside a band.
    fn is_torn(&self, from: usize) -> bool {
        from > 0 && self.bands[from] == self.bands[from - 1]
    }

    /// The layers of each column, chosen for the best ratio.
    fn columns(&self) -> Vec<std::ops::Range<usize>> {
        let count = self.heights.len();
        if count == 0 {
            return Vec::new();
        }
        // The end of each layer if there is one column.
        let mut below = vec![0.0; count + 1];
        for layer in 0..count {
            let between = match layer {
                0 => BAND_NAME,
                _ if self.bands[layer] != self.bands[layer - 1] => {
                    INSET + BETWEEN_BANDS + BAND_NAME
                }
                _ => self.gaps[layer - 1],
            };
            below[layer + 1] = below[layer] + between + self.heights[layer];
        }
        let length = |from: usize, to: usize| {
            let torn = if self.is_torn(from) { TORN_BAND } else { 0.0 };
            below[to] - below[from] + torn
        };
        // The minimum height with exactly so many columns up to a layer, and the start of the last
        // column.
        let mut least = vec![vec![(f64::INFINITY, 0); count + 1]; MOST_COLUMNS + 1];
        least[0][0] = (0.0, 0);
        let mut best = (f64::INFINITY, Vec::new());
        for columns in 1..=MOST_COLUMNS {
            for to in 1..=count {
                for from in (0..to).filter(|&from| self.may_begin[from]) {
                    let height = least[columns - 1][from].0.max(length(from, to));
                    if height < least[columns][to].0 {
                        least[columns][to] = (height, from);
                    }
                }
            }
            if least[columns][count].0.is_infinite() {
                break;
            }
            let (mut to, mut ranges) = (count, Vec::new());
            for columns in (1..=columns).rev() {
                let from = least[columns][to].1;
                ranges.push(from..to);
                to = from;
            }
            ranges.reverse();
            let wide = |layers| {
                let (left, right) = self.sides(layers);
                right - left + 2.0 * INSET + GUTTER
            };
            let width: f64 = ranges.iter().map(wide).sum();
            let height = least[columns][count].0 + HEADER + 2.0 * MARGIN;
            let torn = ranges
                .iter()
                .filter(|range| self.is_torn(range.start))
                .count();
            let off = (width / height / PROPORTION).ln().abs() + torn as f64 * TEARING;
            if off < best.0 || best.1.is_empty() {
                best = (off, ranges);
            }
        }
        best.1
    }
}

/// The band of each layer; `None` for all if a layer has boxes of two bands.
fn bands(diagram: &Diagram, layers: &Layers) -> Vec<Option<usize>> {
    let mut bands: Vec<Option<usize>> = vec![None; layers.items.len()];
    let mut mixed = false;
    for (index, layer) in layers.layer_of.iter().enumerate() {
        let own = diagram.boxes[index]
            .band
            .filter(|&band| band < diagram.bands.len());
        mixed |= own.is_none() || bands[*layer].is_some_and(|band| Some(band) != own);
        bands[*layer] = own;
    }
    mixed |= bands.windows(2).any(|two| two[0] > two[1]);
    if mixed {
        vec![None; bands.len()]
    } else {
        bands
    }
}
