//! 3×3 convolution of stride 1 with fewer multiplications: Winograd's minimal filtering by Lavin and Gray
//! (arXiv 1509.09308).
//!
//! The output is split into tiles of up to 4×4 pixels. Each tile's input is transformed to 6×6 values (one
//! per pair of points), multiplied there by the transformed filters, and transformed back: 36 products
//! instead of 144 per channel and filter. Sides that are not a multiple of 4 end in tiles of 3 or 2, which
//! need fewer points, so no product is spent on unneeded pixels.

mod kernels;
mod tiles;
mod transform;
mod weights;

use std::ops::Range;

use rayon::prelude::*;

use self::kernels::{ByTile, Each, Enter, Leave, Pixels};
use self::tiles::{Rows, Tiles, sides};
use self::transform::POINTS;
pub(super) use self::weights::{WeightGradient, weight_gradient_is_cheaper};
use super::super::panels::{Finish, Panels, Product, TILE, roomy};
use super::super::simd::Shared;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::InstructionSet;
use crate::runtime::instruction_set::vectorised;

/// Pairs of points.
const PAIRS: usize = POINTS * POINTS;

/// Filters at the pairs of points, one matrix `[channels, filters]` each. `weights(channel, tap, first)`
/// returns the weights of a tap, counted row by row, from the filter `first` on.
pub(super) fn transformed<'w>(
    set: InstructionSet,
    (channels, filters): (usize, usize),
    weights: impl Fn(usize, usize, usize) -> &'w [f32] + Sync,
) -> Panels {
    Panels::pack(set, (PAIRS, channels, filters), |channel, first, rows| {
        let columns = rows.len() / PAIRS;
        let taps: [&[f32]; 9] = std::array::from_fn(|tap| &weights(channel, tap, first)[..columns]);
        vectorised(
            #[inline(always)]
            || {
                let whole = columns / transform::SEVERAL * transform::SEVERAL;
                for start in (0..whole).step_by(transform::SEVERAL) {
                    let mut several = [[0.0; transform::SEVERAL]; 9];
                    for (several, tap) in several.iter_mut().zip(&taps) {
                        let tap = &tap[start..start + transform::SEVERAL];
                        for (value, &weight) in several.iter_mut().zip(tap) {
                            *value = weight;
                        }
                    }
                    transform::filters(&several, |point, values| {
                        let row = &mut rows[point * columns + start..][..transform::SEVERAL];
                        for (target, &value) in row.iter_mut().zip(values) {
                            *target = value;
                        }
                    });
                }
                if whole < columns {
                    let mut several = [[0.0; transform::SEVERAL]; 9];
                    for (several, tap) in several.iter_mut().zip(&taps) {
                        several[..columns - whole].copy_from_slice(&tap[whole..]);
                    }
                    transform::filters(&several, |point, values| {
                        rows[point * columns + whole..(point + 1) * columns]
                            .copy_from_slice(&values[..columns - whole]);
                    });
                }
            },
        );
    })
}

/// A convolution of feature maps `N, H, W, C` as stored.
pub(super) struct Winograd<'a> {
    /// The maps.
    pub input: &'a [f32],
    /// Number, rows, columns and channels of the maps.
    pub maps: (usize, usize, usize, usize),
    /// Rows above and columns to the left of the maps that count as zeros.
    pub border: (usize, usize),
    /// The result of [`transformed`].
    pub filters: &'a Panels,
    /// Rows and columns of an output map.
    pub results: (usize, usize),
    /// The last operations on the sums.
    pub finish: Finish<'a>,
}

/// Whether Winograd's algorithm costs fewer multiply-adds than the direct convolution for these sizes. Rough
/// figures for a core with AVX-512: a value read from memory counts as 30 multiply-adds, a transformed value
/// as 8.
pub(super) fn is_cheaper(
    maps: usize,
    (rows, columns): (usize, usize),
    (channels, filters): (usize, usize),
) -> bool {
    // Layers with many more filters than channels, as in SqueezeNet, gain nothing: the transforms and the
    // stores of short sums take the time that the products save.
    if filters >= 4 * channels {
        return false;
    }
    let transformed = maps * transformed_pixels(rows) * transformed_pixels(columns);
    let weights = channels * filters;
    let direct = (maps * rows * columns * 9 + 30 * 9) * weights;
    direct > (transformed + 30 * PAIRS) * weights + 8 * transformed * (channels + filters)
}

/// Number of points of all tiles along one side.
fn transformed_pixels(length: usize) -> usize {
    sides(length).iter().map(|(_, size)| size + 2).sum()
}

/// Room for the transformed values of a block of tiles: `[pairs][tiles][channels]`.
struct Room {
    values: Buffer,
    /// The distance between pairs, in values.
    pitch: usize,
    channels: usize,
}

impl Room {
    fn new() -> Self {
        Self {
            values: Buffer::unspecified(0),
            pitch: 0,
            channels: 0,
        }
    }

    fn resize(&mut self, tiles: usize, channels: usize) {
        // An odd number of cache lines: otherwise the 36 values of a tile would share a few sets of the
        // cache.
        self.pitch = ((tiles * roomy(channels)).div_ceil(16) | 1) * 16;
        self.channels = channels;
        self.values.resize(PAIRS * self.pitch);
    }

    fn place(&mut self) -> Place {
        Place {
            values: Shared::new(&mut self.values),
            pitch: self.pitch,
            channels: self.channels,
        }
    }
}

/// A [`Room`] that several threads write to.
#[derive(Clone, Copy)]
struct Place {
    values: Shared,
    pitch: usize,
    channels: usize,
}

impl Place {
    /// The values of a tile at a pair of points.
    fn at(self, pair: usize, tile: usize) -> *mut f32 {
        self.values
            .at(pair * self.pitch + tile * roomy(self.channels))
    }
}

/// Values of transformed tiles that stay in a core's cache.
const CLOSE: usize = 1 << 16;

/// The most values of transformed filters for which each task processes a block of tiles with all filters.
const LIGHT: usize = 1 << 20;

/// The number of tasks for a small layer.
const TASKS: usize = 8;

impl Winograd<'_> {
    /// Computes the convolution with its finish.
    pub fn convolve(&self, output: &mut [f32]) {
        let (n, h, w, channels) = self.maps;
        let filters = self.filters.columns();
        assert_eq!(
            self.input.len(),
            n * h * w * channels,
            "the maps are all there"
        );
        assert_eq!(output.len(), n * self.results.0 * self.results.1 * filters);
        assert_eq!(self.filters.depth(), channels);
        let tiles = Tiles {
            ys: sides(self.results.0),
            xs: sides(self.results.1),
            maps: n,
        };
        let zeros = vec![0.0; channels];
        let output = Shared::new(output);
        let room = (CLOSE / (PAIRS * channels.max(filters))).max(1);
        if PAIRS * channels * filters <= LIGHT {
            let most = (tiles.count().div_ceil(TASKS))
                .min(room)
                .next_multiple_of(TILE);
            let blocks = tiles.count().div_ceil(most);
            let block =
                |index: usize| index * tiles.count() / blocks..(index + 1) * tiles.count() / blocks;
            (0..blocks).into_par_iter().for_each_init(
                || (Room::new(), Room::new()),
                |(inputs, products), index| {
                    let range = block(index);
                    inputs.resize(range.len(), channels);
                    products.resize(range.len(), filters);
                    let (inputs, products) = (inputs.place(), products.place());
                    let (enter, leave) = (self.enter(&zeros, inputs), self.leave(products, output));
                    self.each(enter, &tiles, range.clone(), range.start);
                    let rows = Rows::of(&tiles, range.clone());
                    let mut pointers = (Vec::new(), Vec::new());
                    for pair in 0..PAIRS {
                        self.multiply(pair, &rows, inputs, products, &mut pointers);
                    }
                    self.each(leave, &tiles, range.clone(), range.start);
                },
            );
        } else {
            // The filters are too many to be read again for every few tiles: all cores share a large block of
            // tiles, and each processes some of the pairs of points.
            let most = (16 * room).max(64);
            let blocks = tiles.count().div_ceil(most);
            let (mut inputs, mut products) = (Room::new(), Room::new());
            for index in 0..blocks {
                let range = index * tiles.count() / blocks..(index + 1) * tiles.count() / blocks;
                inputs.resize(range.len(), channels);
                products.resize(range.len(), filters);
                let (inputs, products) = (inputs.place(), products.place());
                let first = range.start;
                let parts = |step: usize| {
                    let range = range.clone();
                    (0..range.len().div_ceil(step))
                        .into_par_iter()
                        .map(move |part| {
                            let start = range.start + part * step;
                            start..(start + step).min(range.end)
                        })
                };
                let (enter, leave) = (self.enter(&zeros, inputs), self.leave(products, output));
                parts(4).for_each(|part| self.each(enter, &tiles, part, first));
                let rows = Rows::of(&tiles, range.clone());
                (0..PAIRS).into_par_iter().with_max_len(1).for_each_init(
                    || (Vec::new(), Vec::new()),
                    |pointers, pair| self.multiply(pair, &rows, inputs, products, pointers),
                );
                parts(4).for_each(|part| self.each(leave, &tiles, part, first));
            }
        }
    }

    /// The transform of tiles' inputs into a room.
    fn enter<'a>(&'a self, zeros: &'a [f32], to: Place) -> Enter<'a> {
        Enter {
            maps: Pixels {
                values: self.input,
                maps: self.maps,
                border: self.border,
            },
            zeros,
            to,
        }
    }

    /// The transform of tiles' products in a room into the output.
    fn leave(&self, from: Place, to: Shared) -> Leave<'_> {
        Leave {
            winograd: self,
            from,
            to,
        }
    }

    /// Applies `work` to each tile of a range; `first` is the tile at the start of the room.
    fn each(&self, work: impl ByTile, tiles: &Tiles, range: Range<usize>, first: usize) {
        let each = Each {
            work,
            tiles: range,
            first,
        };
        each.run(self.filters.set(), tiles);
    }

    /// Multiplies the tiles' values at one pair of points by the filters' values.
    fn multiply(
        &self,
        pair: usize,
        rows: &Rows,
        from: Place,
        to: Place,
        (sources, targets): &mut (Vec<*const f32>, Vec<*mut f32>),
    ) {
        let tiles = rows.of_pair(pair);
        sources.clear();
        sources.extend(tiles.iter().map(|&tile| from.at(pair, tile).cast_const()));
        targets.clear();
        targets.extend(tiles.iter().map(|&tile| to.at(pair, tile)));
        let product = Product {
            weights: self.filters,
            matrix: pair,
            panels: 0..self.filters.count(),
            sources,
            run: from.channels,
            targets,
            finish: Finish::default(),
        };
        // SAFETY: both rooms have a row for every pair and tile; the inputs were written before, and no other
        // task writes to this pair's products.
        unsafe { product.compute() };
    }
}
