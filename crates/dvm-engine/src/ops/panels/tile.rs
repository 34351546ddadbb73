//! The micro-kernel: a tile of the result that stays in registers during the loop over the depth.

#![allow(
    clippy::needless_range_loop,
    reason = "with constant bounds and indices, the sums stay in registers"
)]

use std::mem::MaybeUninit;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::activation::Activation;
use super::super::activation::by_vector::{activate, is_in_registers};
use super::super::simd::{load, multiply_add, prefetch, store};
use super::{Depth, Panel, Product, WIDE};

/// The kernel for tiles of this many rows and vectors. It is called through its address: if the kernels were
/// inlined next to each other, the compiler would merge them and keep their sums in memory.
#[inline(always)]
pub(super) fn tile_of<S: Simd>(rows: usize, vectors: usize) -> fn(S, Tile<'_>) {
    macro_rules! table {
        ($($height:literal)*) => {
            match rows {
                $(..=$height => [
                    compute_tile::<S, $height, 1> as fn(S, Tile<'_>),
                    compute_tile::<S, $height, WIDE>,
                ],)*
                _ => unreachable!("no tile is higher"),
            }
        };
    }
    let kernels = if S::REGISTER_COUNT >= 32 {
        table!(1 2 4 6 8 10 12 14)
    } else {
        table!(1 2 4 6)
    };
    kernels[vectors - 1]
}

#[inline(never)]
fn compute_tile<S: Simd, const M: usize, const V: usize>(simd: S, tile: Tile<'_>) {
    struct Compute<'a, const M: usize, const V: usize>(Tile<'a>);
    impl<const M: usize, const V: usize> WithSimd for Compute<'_, M, V> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            self.0.compute::<S, M, V>(simd);
        }
    }
    simd.vectorize(Compute::<M, V>(tile));
}

/// A part of the result that is computed in registers.
pub(super) struct Tile<'a> {
    pub product: &'a Product<'a>,
    pub runs: usize,
    /// The stretch of the depth that is multiplied.
    pub depth: &'a Depth,
    pub rows: Range<usize>,
    pub panel: Panel,
    /// The weights of the panel in this stretch, `[depth][columns of the panel]`.
    pub values: &'a [f32],
    /// The weights to fetch into cache meanwhile.
    pub ahead: Ahead,
}

impl Tile<'_> {
    /// The tile, of up to `M` rows and `V` vectors of columns.
    #[inline(always)]
    fn compute<S: Simd, const M: usize, const V: usize>(self, simd: S) {
        let Product {
            sources,
            targets,
            finish,
            ..
        } = *self.product;
        let (rows, panel, depth) = (self.rows, self.panel, self.depth);
        let lanes = S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; M];
        let targets = &targets[rows.clone()];
        let fills = panel.used == V * lanes && targets.len() == M;
        // SAFETY: `Product::compute` asserts that there are `runs` sources per row and targets for all rows,
        // and its caller guarantees that they are valid. A tile with fewer than `M` rows reads its last row
        // again, and stores only its own rows. `values` has one row of `V` vectors per product of the
        // stretch. Sums that are continued were stored before.
        unsafe {
            // Fetches the targets, so that they are in cache when the sums are ready.
            for target in targets {
                let target = target.wrapping_add(panel.first);
                for v in 0..V {
                    prefetch(target.wrapping_add(v * lanes));
                }
                if let Some(residual) = finish.residual {
                    let residual = residual.address(target);
                    for v in 0..V {
                        prefetch(residual.wrapping_add(v * lanes));
                    }
                }
            }
            if depth.continues {
                for m in 0..M {
                    let Some(target) = targets.get(m) else {
                        continue;
                    };
                    let target = target.add(panel.first);
                    for v in 0..V {
                        sums[m][v] = if fills {
                            load::<S>(target.add(v * lanes))
                        } else {
                            let used = lanes.min(panel.used - (v * lanes).min(panel.used));
                            let part = std::slice::from_raw_parts(target.add(v * lanes), used);
                            simd.partial_load_f32s(part)
                        };
                    }
                }
            }
            let mut weights = self.values.as_ptr();
            let Ahead {
                at: mut ahead,
                step,
            } = self.ahead;
            let source = sources.as_ptr().add(rows.start * self.runs);
            let last = rows.len() - 1;
            let mut row = [std::ptr::null::<f32>(); M];
            for index in depth.runs.clone() {
                for (m, row) in row.iter_mut().enumerate() {
                    *row = *source.add(m.min(last) * self.runs + index);
                }
                for k in depth.within.clone() {
                    let mut columns = [simd.splat_f32s(0.0); V];
                    for (v, column) in columns.iter_mut().enumerate() {
                        *column = load::<S>(weights.add(v * lanes));
                    }
                    for m in 0..M {
                        let value = simd.splat_f32s(*row[m].add(k));
                        for v in 0..V {
                            sums[m][v] = multiply_add(simd, value, columns[v], sums[m][v]);
                        }
                    }
                    prefetch(ahead);
                    ahead = ahead.wrapping_add(step);
                    weights = weights.add(V * lanes);
                }
            }
            // Such short loops are unrolled, and the sums stay in registers.
            if fills && !depth.finishes {
                for m in 0..M {
                    let target = targets.get_unchecked(m).add(panel.first);
                    for v in 0..V {
                        store::<S>(target.add(v * lanes), sums[m][v]);
                    }
                }
                return;
            }
            if fills {
                if let Some(bias) = finish.bias {
                    let bias = bias[panel.first..panel.first + V * lanes].as_ptr();
                    for v in 0..V {
                        let bias = load::<S>(bias.add(v * lanes));
                        for m in 0..M {
                            sums[m][v] = simd.add_f32s(sums[m][v], bias);
                        }
                    }
                }
                if let Some(residual) = finish.residual {
                    for (m, &target) in targets.iter().enumerate().take(M) {
                        let part = std::slice::from_raw_parts(target.add(panel.first), V * lanes);
                        row[m] = residual.of(part).as_ptr();
                    }
                    for m in 0..M {
                        for v in 0..V {
                            let residual = load::<S>(row[m].add(v * lanes));
                            sums[m][v] = simd.add_f32s(sums[m][v], residual);
                        }
                    }
                }
                match finish.activation {
                    Some(Activation::Relu) => {
                        for m in 0..M {
                            for v in 0..V {
                                sums[m][v] = activate(simd, Some(Activation::Relu), sums[m][v]);
                            }
                        }
                    }
                    Some(Activation::Relu6) => {
                        for m in 0..M {
                            for v in 0..V {
                                sums[m][v] = activate(simd, Some(Activation::Relu6), sums[m][v]);
                            }
                        }
                    }
                    _ => {}
                }
                for m in 0..M {
                    let target = targets.get_unchecked(m).add(panel.first);
                    for v in 0..V {
                        store::<S>(target.add(v * lanes), sums[m][v]);
                    }
                }
                if let Some(activation) = finish.activation
                    && !is_in_registers(activation)
                {
                    activation.finish_rows(simd, targets, (panel.first, panel.used));
                }
                return;
            }
            // Values outside the tile's rows or the matrix's columns are discarded.
            let mut waste = [[const { MaybeUninit::<f32>::uninit() }; WIDE * MOST_LANES]; M];
            for m in 0..M {
                let waste: *mut f32 = waste[m].as_mut_ptr().cast();
                for v in 0..V {
                    store::<S>(waste.add(v * lanes), sums[m][v]);
                }
            }
            for (target, sums) in targets.iter().zip(&waste) {
                let target = target.add(panel.first);
                target.copy_from_nonoverlapping(sums.as_ptr().cast(), panel.used);
                if depth.finishes {
                    let sums = std::slice::from_raw_parts_mut(target, panel.used);
                    finish.row(simd, panel.first, sums);
                }
            }
        }
    }
}

/// Values in the longest vector of any instruction set.
const MOST_LANES: usize = 16;

/// Weights to be fetched into cache.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    pub at: *const f32,
    /// Values from one fetch to the next.
    pub step: usize,
}

impl Ahead {
    /// The last tiles of a panel share the fetching of the next panel.
    const SHARES: usize = 4;

    pub fn of_tile(self, tile: usize, tiles: usize, len: usize) -> Self {
        let shares = match tiles {
            1 => 1,
            2 | 3 => 2,
            _ => Self::SHARES,
        };
        let share = (tile + shares).saturating_sub(tiles);
        Self {
            at: self.at.wrapping_add(share * len / shares),
            step: self.step / shares,
        }
    }
}
