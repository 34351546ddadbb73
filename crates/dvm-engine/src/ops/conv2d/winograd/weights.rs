//! The gradient of 3×3 weights by the transposed transforms.
//!
//! A tile's output is `Aᵀ [(G w) ⊙ (Bᵀ x)]`, so the gradient `g` of the output contributes
//! `Gᵀ [(Bᵀ x) ⊙ (A g)]` to the gradient of the weights: the input is transformed as in the forward pass,
//! the gradient by the transpose of the output transform, and the sum over all tiles is computed at the
//! points, before a single transform to the weights. Tiles of all sizes use the same points.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::super::outer::Outer;
use super::super::super::simd::{Shared, load, store};
use super::kernels::{ByTile, Each, Enter, EnterGradient, Pixels};
use super::tiles::{Rows, Tiles, sides};
use super::transform::{self, POINTS};
use super::{CLOSE, PAIRS, Place, Room, transformed_pixels};
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::InstructionSet;

/// Whether this costs fewer multiply-adds than the direct gradient, counted as in [`super::is_cheaper`]; the
/// sums at the points are written once and read once.
pub(in super::super) fn weight_gradient_is_cheaper(
    maps: usize,
    (rows, columns): (usize, usize),
    (channels, filters): (usize, usize),
) -> bool {
    let transformed = maps * transformed_pixels(rows) * transformed_pixels(columns);
    let weights = channels * filters;
    let direct = maps * rows * columns * 9 * weights;
    channels.min(filters) >= 16
        && direct
            > (transformed + 2 * 30 * PAIRS) * weights + 16 * transformed * (channels + filters)
}

/// The arguments of a weight gradient.
pub(in super::super) struct WeightGradient<'a> {
    pub set: InstructionSet,
    /// The input of the convolution.
    pub input: &'a [f32],
    /// Number, rows, columns and channels of its maps.
    pub maps: (usize, usize, usize, usize),
    /// Rows above and columns to the left of the maps that count as zeros.
    pub border: (usize, usize),
    /// The gradient of the output.
    pub gradient: &'a [f32],
    /// Rows, columns and channels of the output.
    pub results: (usize, usize, usize),
}

/// The most values of sums at the points for which every task has a separate copy.
const LIGHT: usize = 1 << 18;

/// Partial sums of light layers.
const PARTIAL: usize = 8;

/// Transformed values of a heavy layer in memory at a time: 64 MiB.
const HELD: usize = 1 << 24;

/// Tiles whose products are summed at a time, so that they stay in cache.
const STRETCH: usize = 128;

impl WeightGradient<'_> {
    /// The gradient in the layout of the weights, `[O, 3, 3, I]`.
    pub fn compute(&self) -> Buffer {
        let (n, h, w, channels) = self.maps;
        let (rows, columns, filters) = self.results;
        assert_eq!(self.input.len(), n * h * w * channels);
        assert_eq!(self.gradient.len(), n * rows * columns * filters);
        let tiles = Tiles {
            ys: sides(rows),
            xs: sides(columns),
            maps: n,
        };
        let zeros = vec![0.0; channels.max(filters)];
        let enter = |input: Place, gradient: Place| {
            (
                Enter {
                    maps: Pixels {
                        values: self.input,
                        maps: self.maps,
                        border: self.border,
                    },
                    zeros: &zeros,
                    to: input,
                },
                EnterGradient {
                    maps: Pixels {
                        values: self.gradient,
                        maps: (n, rows, columns, filters),
                        border: (0, 0),
                    },
                    zeros: &zeros,
                    to: gradient,
                },
            )
        };
        let size = PAIRS * channels * filters;
        if size <= LIGHT {
            let partial = PARTIAL.min(tiles.count().div_ceil(14)).max(1);
            let most = (CLOSE * 4 / (PAIRS * (channels + filters))).clamp(14, STRETCH);
            let mut sums = Buffer::unspecified(partial * size);
            sums.par_chunks_mut(size).enumerate().for_each_init(
                || (Room::new(), Room::new(), Vec::new()),
                |(inputs, gradients, pixels), (index, sums)| {
                    let all =
                        index * tiles.count() / partial..(index + 1) * tiles.count() / partial;
                    let sums = Shared::new(sums);
                    let blocks = all.len().div_ceil(most);
                    for block in 0..blocks {
                        let start = |block: usize| all.start + block * all.len() / blocks;
                        let range = start(block)..start(block + 1);
                        inputs.resize(range.len(), channels);
                        gradients.resize(range.len(), filters);
                        let places = (inputs.place(), gradients.place());
                        let (enter, enter_gradient) = enter(places.0, places.1);
                        self.each(enter, &tiles, range.clone(), range.start);
                        self.each(enter_gradient, &tiles, range.clone(), range.start);
                        let rows = Rows::of(&tiles, range);
                        for pair in 0..PAIRS {
                            let tiles = rows.of_pair(pair);
                            self.multiply(pair, tiles, places, sums, block > 0, pixels);
                        }
                    }
                },
            );
            return self.weights(&sums, partial);
        }
        let mut sums = Buffer::unspecified(size);
        let place = Shared::new(&mut sums);
        let most = (HELD / (PAIRS * (channels + filters))).max(64);
        let blocks = tiles.count().div_ceil(most);
        let (mut inputs, mut gradients) = (Room::new(), Room::new());
        for block in 0..blocks {
            let start = |block: usize| block * tiles.count() / blocks;
            let range = start(block)..start(block + 1);
            inputs.resize(range.len(), channels);
            gradients.resize(range.len(), filters);
            let places = (inputs.place(), gradients.place());
            let (enter, enter_gradient) = enter(places.0, places.1);
            (0..range.len().div_ceil(4))
                .into_par_iter()
                .for_each(|part| {
                    let start = range.start + part * 4;
                    let part = start..(start + 4).min(range.end);
                    self.each(enter, &tiles, part.clone(), range.start);
                    self.each(enter_gradient, &tiles, part, range.start);
                });
            let rows = Rows::of(&tiles, range);
            (0..PAIRS)
                .into_par_iter()
                .with_max_len(1)
                .for_each_init(Vec::new, |pixels, pair| {
                    let tiles = rows.of_pair(pair);
                    self.multiply(pair, tiles, places, place, block > 0, pixels);
                });
        }
        self.weights(&sums, 1)
    }

    fn each(&self, work: impl ByTile, tiles: &Tiles, range: Range<usize>, first: usize) {
        let each = Each {
            work,
            tiles: range,
            first,
        };
        each.run(self.set, tiles);
    }

    /// Sums the products of these tiles at one pair of points, `[O, I]`.
    fn multiply(
        &self,
        pair: usize,
        tiles: &[usize],
        (inputs, gradients): (Place, Place),
        sums: Shared,
        mut accumulate: bool,
        pixels: &mut Vec<(*const f32, *const f32)>,
    ) {
        let size = (self.results.2, self.maps.3);
        if tiles.is_empty() && accumulate {
            return;
        }
        let mut rest = tiles;
        loop {
            let (now, later) = rest.split_at(STRETCH.min(rest.len()));
            pixels.clear();
            pixels.extend(now.iter().map(|&tile| {
                let (gradient, input) = (gradients.at(pair, tile), inputs.at(pair, tile));
                (gradient.cast_const(), input.cast_const())
            }));
            let outer = Outer {
                pixels,
                size,
                target: (sums.from(pair * size.0 * size.1), size.1),
                accumulate,
            };
            // SAFETY: both rooms have a row for every pair and tile, written before; only this task writes
            // the sums of this pair.
            unsafe { outer.compute(self.set, 0..size.1) };
            accumulate = true;
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
    }

    /// The weights' gradient from partial sums `[partial][pairs][O][I]`, added in order.
    fn weights(&self, sums: &[f32], partial: usize) -> Buffer {
        let (filters, channels) = (self.results.2, self.maps.3);
        let mut weights = Buffer::unspecified(filters * 9 * channels);
        weights
            .par_chunks_mut(9 * channels)
            .with_min_len(1 + 64 / channels)
            .enumerate()
            .for_each(|(filter, weights)| {
                self.set.run(ToWeights {
                    sums,
                    partial,
                    size: (filters, channels),
                    filter,
                    weights,
                });
            });
        weights
    }
}

/// The transform of the sums at the points to the weights of one filter.
struct ToWeights<'a> {
    sums: &'a [f32],
    partial: usize,
    size: (usize, usize),
    filter: usize,
    weights: &'a mut [f32],
}

impl WithSimd for ToWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (filters, channels) = self.size;
        let lanes = S::F32_LANES;
        for channel in (0..channels).step_by(lanes) {
            let used = lanes.min(channels - channel);
            let read = |slice: &[f32]| {
                if used == lanes {
                    // SAFETY: the slice has the values of a vector.
                    unsafe { load::<S>(slice.as_ptr()) }
                } else {
                    simd.partial_load_f32s(slice)
                }
            };
            let zero = simd.splat_f32s(0.0);
            let mut lines = [[zero; 3]; POINTS];
            for (y, line) in lines.iter_mut().enumerate() {
                let mut points = [zero; POINTS];
                for (x, point) in points.iter_mut().enumerate() {
                    let pair = y * POINTS + x;
                    let mut at = (pair * filters + self.filter) * channels + channel;
                    for _ in 0..self.partial {
                        *point = simd.add_f32s(*point, read(&self.sums[at..at + used]));
                        at += PAIRS * filters * channels;
                    }
                }
                *line = transform::filter_back(simd, points);
            }
            for x in 0..3 {
                let column = transform::filter_back(simd, lines.map(|line| line[x]));
                for (y, &value) in column.iter().enumerate() {
                    let target = &mut self.weights[(y * 3 + x) * channels + channel..][..used];
                    if used == lanes {
                        // SAFETY: the slice has the values of a vector.
                        unsafe { store::<S>(target.as_mut_ptr(), value) };
                    } else {
                        simd.partial_store_f32s(target, value);
                    }
                }
            }
        }
    }
}
