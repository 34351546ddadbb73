//! The product for gradients of weights: the sum, over all pixels, of the outer product of a row of one array
//! and a row of another.
//!
//! As in `panels`, a small tile of the result stays in registers during the loop over the pixels, and both
//! rows are read through pointers, so nothing is copied. Every value of the result is one sum in the order of
//! the pixels.

#![allow(
    clippy::needless_range_loop,
    reason = "with constant bounds and indices, the sums stay in registers"
)]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::simd::{Shared, load, multiply_add, prefetch, store};
use crate::runtime::instruction_set::InstructionSet;

/// Rows `[M]` and `[N]` of each pixel; the result `[M, N]` is the sum of their products.
pub(super) struct Outer<'a> {
    /// Where the two rows of each pixel start.
    pub pixels: &'a [(*const f32, *const f32)],
    /// `M` and `N`.
    pub size: (usize, usize),
    /// Where the result starts, and the distance between its rows, in values.
    pub target: (Shared, usize),
    /// Whether the product is added to the values already in the result.
    pub accumulate: bool,
}

/// Number of vectors in a row of a tile.
const WIDE: usize = 2;

/// Heights of tiles with 32 registers, and with 16.
const HEIGHTS: [&[usize]; 2] = [&[1, 2, 3, 4, 6, 7, 8, 9, 12, 14], &[1, 2, 3, 4, 6]];

/// The cost of a tile of this height per pixel, in about half cycles: multiplications or loads, whichever
/// take longer, and 1 for the tile.
fn cost_of(height: usize, vectors: usize) -> usize {
    2 * (height * vectors).max(height + vectors + 2) + 1
}

/// The most rows for which the best heights are searched; more rows begin with the largest height.
const SEARCHED: usize = 64;

/// The cost of all tiles per pixel, and their heights.
fn heights(rows: usize, vectors: usize, of: &[usize]) -> (usize, Vec<usize>) {
    let largest = of[of.len() - 1];
    let before = rows.saturating_sub(SEARCHED).div_ceil(largest);
    let rows = rows - before * largest;
    let mut best: Vec<(usize, usize)> = vec![(0, 0)];
    for rows in 1..=rows {
        let ways = of.iter().filter(|&&height| height <= rows);
        let way = ways.map(|&height| (best[rows - height].0 + cost_of(height, vectors), height));
        best.push(way.min().expect("one row is a height"));
    }
    let mut rest = rows;
    let mut chosen = vec![largest; before];
    while rest > 0 {
        chosen.push(best[rest].1);
        rest -= best[rest].1;
    }
    (before * cost_of(largest, vectors) + best[rows].0, chosen)
}

/// The cost of one pixel; it decides which of the two rows comes first.
pub(super) fn cost(set: InstructionSet, (rows, columns): (usize, usize)) -> usize {
    let lanes = set.lanes();
    let of = HEIGHTS[usize::from(lanes < 16)];
    let vectors = columns.div_ceil(lanes);
    let wide = heights(rows, WIDE, of).0;
    vectors / WIDE * wide + vectors % WIDE * heights(rows, 1, of).0
}

impl Outer<'_> {
    /// Computes and stores, or adds, the result's `columns`, which start at a multiple of [`panel_columns`].
    ///
    /// # Safety
    /// The pointers must be valid for reads of `M` and `N` values, the target for reads and writes of the
    /// result, and no other thread may write to either during the call.
    pub unsafe fn compute(&self, set: InstructionSet, columns: Range<usize>) {
        assert!(columns.end <= self.size.1 && self.size.1 <= self.target.1);
        set.run(Kernel {
            outer: self,
            columns,
        });
    }
}

/// The most columns of a tile: parts of a result start at multiples of it.
pub(super) fn panel_columns(set: InstructionSet) -> usize {
    WIDE * set.lanes()
}

struct Kernel<'a> {
    outer: &'a Outer<'a>,
    columns: Range<usize>,
}

impl WithSimd for Kernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let of = HEIGHTS[usize::from(S::REGISTER_COUNT < 32)];
        let mut chosen: [Option<Vec<usize>>; WIDE] = [None, None];
        for first in self.columns.clone().step_by(WIDE * lanes) {
            let used = (self.columns.end - first).min(WIDE * lanes);
            let vectors = used.div_ceil(lanes);
            let heights = chosen[vectors - 1]
                .get_or_insert_with(|| heights(self.outer.size.0, vectors, of).1);
            let mut row = 0;
            for &height in heights.iter() {
                let tile = Tile {
                    outer: self.outer,
                    row,
                    first,
                    used,
                };
                tile_of::<S>(height, vectors, used < vectors * lanes)(simd, tile);
                row += height;
            }
        }
    }
}

/// How many pixels before its use a row is fetched into cache.
const AHEAD: usize = 6;

/// A part of the result that is computed in registers.
struct Tile<'a> {
    outer: &'a Outer<'a>,
    row: usize,
    /// Its first column, and its number of columns.
    first: usize,
    used: usize,
}

/// The kernel for tiles of this many rows and vectors; the last vector may be partial. It is called through
/// its address: if the kernels were inlined next to each other, the compiler would merge them and keep their
/// sums in memory.
#[inline(always)]
fn tile_of<S: Simd>(rows: usize, vectors: usize, part: bool) -> fn(S, Tile<'_>) {
    macro_rules! table {
        ($($height:literal)*) => {
            match rows {
                $($height => [
                    [compute_tile::<S, $height, 1, false> as fn(S, Tile<'_>),
                     compute_tile::<S, $height, 1, true>],
                    [compute_tile::<S, $height, WIDE, false>,
                     compute_tile::<S, $height, WIDE, true>],
                ],)*
                _ => unreachable!("no tile has this height"),
            }
        };
    }
    let kernels = if S::REGISTER_COUNT >= 32 {
        table!(1 2 3 4 6 7 8 9 12 14)
    } else {
        table!(1 2 3 4 6)
    };
    kernels[vectors - 1][usize::from(part)]
}

#[inline(never)]
fn compute_tile<S: Simd, const M: usize, const V: usize, const PART: bool>(
    simd: S,
    tile: Tile<'_>,
) {
    struct Compute<'a, const M: usize, const V: usize, const PART: bool>(Tile<'a>);
    impl<const M: usize, const V: usize, const PART: bool> WithSimd for Compute<'_, M, V, PART> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            self.0.compute::<S, M, V, PART>(simd);
        }
    }
    simd.vectorize(Compute::<M, V, PART>(tile));
}

impl Tile<'_> {
    #[inline(always)]
    fn compute<S: Simd, const M: usize, const V: usize, const PART: bool>(self, simd: S) {
        let lanes = S::F32_LANES;
        let Outer {
            pixels,
            target: (target, pitch),
            accumulate,
            ..
        } = *self.outer;
        let rest = self.used - (V - 1) * lanes;
        let mut sums = [[simd.splat_f32s(0.0); V]; M];
        // SAFETY: the caller of `Outer::compute` guarantees rows of `M` and `N` values at each pixel and a
        // valid target; tiles are inside it: `row + M ≤ M` of the whole, `first + used ≤ N`.
        unsafe {
            for (index, &(a, b)) in pixels.iter().enumerate() {
                // Rows are far apart, so the processor does not prefetch them.
                let (next_a, next_b) = pixels[(index + AHEAD).min(pixels.len() - 1)];
                prefetch(next_a.wrapping_add(self.row));
                for v in 0..V {
                    prefetch(next_b.wrapping_add(self.first + v * lanes));
                }
                let (a, b) = (a.add(self.row), b.add(self.first));
                let mut columns = [simd.splat_f32s(0.0); V];
                for v in 0..V {
                    let at = b.add(v * lanes);
                    columns[v] = if PART && v == V - 1 {
                        simd.partial_load_f32s(std::slice::from_raw_parts(at, rest))
                    } else {
                        load::<S>(at)
                    };
                }
                for m in 0..M {
                    let value = simd.splat_f32s(*a.add(m));
                    for v in 0..V {
                        sums[m][v] = multiply_add(simd, value, columns[v], sums[m][v]);
                    }
                }
            }
            for m in 0..M {
                let row = target.at((self.row + m) * pitch + self.first);
                for v in 0..V {
                    let at = row.add(v * lanes);
                    if PART && v == V - 1 {
                        let there = std::slice::from_raw_parts_mut(at, rest);
                        let mut sum = sums[m][v];
                        if accumulate {
                            sum = simd.add_f32s(simd.partial_load_f32s(there), sum);
                        }
                        simd.partial_store_f32s(there, sum);
                    } else {
                        let mut sum = sums[m][v];
                        if accumulate {
                            sum = simd.add_f32s(load::<S>(at), sum);
                        }
                        store::<S>(at, sum);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded;

    #[test]
    fn every_size_is_the_sum_of_the_products_with_every_instruction_set() {
        for set in InstructionSet::available() {
            for (round, size) in [
                (1, 1),
                (14, 32),
                (17, 33),
                (21, 64),
                (5, 7),
                (40, 16),
                (9, 47),
            ]
            .into_iter()
            .enumerate()
            {
                let count = 1 + 37 * round;
                let a = seeded::uniform(&format!("a {round}"), count * size.0, -1.0, 1.0);
                let b = seeded::uniform(&format!("b {round}"), count * size.1, -1.0, 1.0);
                let rows = a.chunks_exact(size.0).zip(b.chunks_exact(size.1));
                let pixels: Vec<_> = rows.map(|(a, b)| (a.as_ptr(), b.as_ptr())).collect();
                let pitch = size.1 + 3;
                let mut found = vec![0.5; size.0 * pitch];
                for accumulate in [false, true] {
                    let outer = Outer {
                        pixels: &pixels,
                        size,
                        target: (Shared::new(&mut found), pitch),
                        accumulate,
                    };
                    // SAFETY: the pixels have rows of this size, and only this test uses the target.
                    unsafe { outer.compute(set, 0..size.1) };
                }
                for m in 0..size.0 {
                    for n in 0..size.1 {
                        let product =
                            |k: usize| f64::from(a[k * size.0 + m]) * f64::from(b[k * size.1 + n]);
                        let sum: f64 = 2.0 * (0..count).map(product).sum::<f64>();
                        let off = (f64::from(found[m * pitch + n]) - sum).abs();
                        assert!(off < 2e-5, "{} {size:?}: off by {off:e}", set.name());
                    }
                    let beyond = &found[m * pitch + size.1..(m + 1) * pitch];
                    assert!(beyond.iter().all(|&v| v == 0.5), "written beyond the row");
                }
            }
        }
    }

    #[test]
    fn heights_fill_the_rows() {
        for of in HEIGHTS {
            for rows in 1..200 {
                let (cost, chosen) = heights(rows, WIDE, of);
                assert_eq!(chosen.iter().sum::<usize>(), rows);
                assert_eq!(
                    cost,
                    chosen.iter().map(|&h| cost_of(h, WIDE)).sum::<usize>()
                );
            }
        }
        assert_eq!(heights(64, WIDE, HEIGHTS[0]).1.len(), 5);
        assert_eq!(heights(64, WIDE, HEIGHTS[1]).1.len(), 11);
    }
}
