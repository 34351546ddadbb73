//! The product for convolutions: rows of activations, read from where they are stored, times weights packed
//! into panels.
//!
//! The method is that of Goto and van de Geijn (ACM TOMS 34, 2008): a small tile of the result stays in
//! registers during the loop over the depth. The rows are read through pointers, so the pixels of a
//! convolution's windows are multiplied as stored, without a copy. A long depth is processed in stretches;
//! sums between stretches are stored in the result. Every value of the result is one sum in the order of the
//! depth and does not depend on the other rows.

mod tile;

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use self::tile::{Ahead, Tile, tile_of};
use super::activation::Activation;
use super::activation::by_vector::{activate, is_in_registers};
use super::simd::{load, store};
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::InstructionSet;
use crate::runtime::instruction_set::vectorised;

/// Rows of the highest tile.
pub(super) const TILE: usize = 14;

/// One of `blocks` nearly equal parts of `rows` rows; each but the last consists of whole tiles.
pub(super) fn whole_tiles(block: usize, blocks: usize, rows: usize) -> Range<usize> {
    let tiles = rows.div_ceil(TILE);
    let end = |block: usize| (block * tiles / blocks * TILE).min(rows);
    end(block)..end(block + 1)
}

/// Number of vectors in a row of a panel.
const WIDE: usize = 2;

/// One or several weight matrices `[depth, columns]` packed into panels with the columns of [`WIDE`] vectors
/// (the last one may have one vector): `[panels][matrices][depth][columns of the panel]`, padded with zeros.
pub(super) struct Panels {
    set: InstructionSet,
    matrices: usize,
    depth: usize,
    columns: usize,
    values: Buffer,
}

/// One panel of a matrix.
#[derive(Clone, Copy)]
struct Panel {
    /// Its first column.
    first: usize,
    /// Vectors in a row.
    vectors: usize,
    /// Columns without padding.
    used: usize,
}

impl Panels {
    /// Packs matrices. `fill(k, first, rows)` writes the weights of row `k` from column `first` on into
    /// `rows`, `[matrices][columns of the panel]`.
    pub fn pack(
        set: InstructionSet,
        (matrices, depth, columns): (usize, usize, usize),
        fill: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) -> Self {
        let lanes = set.lanes();
        let mut panels = Self {
            set,
            matrices,
            depth,
            columns,
            values: Buffer::unspecified(columns.div_ceil(lanes) * lanes * depth * matrices),
        };
        let wide = (WIDE * lanes * depth * matrices).max(1);
        let mut values = std::mem::replace(&mut panels.values, Buffer::unspecified(0));
        values
            .par_chunks_mut(wide)
            .enumerate()
            .for_each(|(index, values)| {
                let panel = panels.panel(index);
                let width = panel.vectors * lanes;
                if panel.used < width {
                    values.fill(0.0);
                }
                if matrices == 1 {
                    for (k, row) in values.chunks_exact_mut(width).enumerate() {
                        fill(k, panel.first, &mut row[..panel.used]);
                    }
                    return;
                }
                let mut rows = vec![0.0; matrices * panel.used];
                for k in 0..depth {
                    fill(k, panel.first, &mut rows);
                    vectorised(
                        #[inline(always)]
                        || {
                            for (matrix, row) in rows.chunks_exact(panel.used).enumerate() {
                                let target = &mut values[(matrix * depth + k) * width..];
                                // Whole vectors, because a call would cost more than such a short copy.
                                let (row, rest) = row.as_chunks::<16>();
                                let (whole, beyond) = target.as_chunks_mut::<16>();
                                for (target, row) in whole.iter_mut().zip(row) {
                                    *target = *row;
                                }
                                match whole.get_mut(row.len()) {
                                    Some(target) => target[..rest.len()].copy_from_slice(rest),
                                    None => beyond[..rest.len()].copy_from_slice(rest),
                                }
                            }
                        },
                    );
                }
            });
        panels.values = values;
        panels
    }

    /// The instructions that the panels are packed for.
    pub fn set(&self) -> InstructionSet {
        self.set
    }

    /// The number of products in one sum of the result.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns of a matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of panels of a matrix.
    pub fn count(&self) -> usize {
        self.columns.div_ceil(WIDE * self.set.lanes())
    }

    fn panel(&self, index: usize) -> Panel {
        let lanes = self.set.lanes();
        let first = index * WIDE * lanes;
        let used = (self.columns - first).min(WIDE * lanes);
        Panel {
            first,
            vectors: used.div_ceil(lanes),
            used,
        }
    }

    /// The values of one matrix in a panel, `[depth][columns of the panel]`.
    fn values(&self, panel: Panel, matrix: usize) -> &[f32] {
        let size = panel.vectors * self.set.lanes() * self.depth;
        &self.values[panel.first * self.depth * self.matrices + matrix * size..][..size]
    }
}

/// The last operations on a sum before it is stored: `activation(sum + bias + residual)`.
#[derive(Clone, Copy, Default)]
pub(super) struct Finish<'a> {
    /// One per column.
    pub bias: Option<&'a [f32]>,
    /// Added value by value.
    pub residual: Option<Residual<'a>>,
    /// Applied last.
    pub activation: Option<Activation>,
}

/// An array of the shape of the output.
#[derive(Clone, Copy)]
pub(super) struct Residual<'a> {
    values: &'a [f32],
    /// The address of the output's first value.
    output: usize,
}

impl<'a> Residual<'a> {
    /// Values that are added to those of `output`, position by position.
    pub fn new(values: &'a [f32], output: &[f32]) -> Self {
        assert_eq!(
            values.len(),
            output.len(),
            "the residual has the output's shape"
        );
        Self {
            values,
            output: output.as_ptr().addr(),
        }
    }

    /// The address of the residual for this value of the output.
    #[inline(always)]
    fn address(&self, value: *const f32) -> *const f32 {
        let first = (value.addr() - self.output) / size_of::<f32>();
        self.values.as_ptr().wrapping_add(first)
    }

    /// The residual for this part of the output.
    #[inline(always)]
    pub fn of(&self, part: &[f32]) -> &'a [f32] {
        let first = (part.as_ptr().addr() - self.output) / size_of::<f32>();
        &self.values[first..first + part.len()]
    }
}

/// Rows of activations times packed weights.
pub(super) struct Product<'a> {
    /// The weights.
    pub weights: &'a Panels,
    /// The index of the matrix.
    pub matrix: usize,
    /// The panels that are multiplied.
    pub panels: Range<usize>,
    /// Where the runs of each row start: `[rows][runs]`.
    pub sources: &'a [*const f32],
    /// The length of one run; the runs of a row together are as long as the depth.
    pub run: usize,
    /// Where the result of each row starts (column 0).
    pub targets: &'a [*mut f32],
    /// The last operations before a sum is stored.
    pub finish: Finish<'a>,
}

impl Product<'_> {
    /// Computes and stores the product.
    ///
    /// # Safety
    /// Every pointer of `sources` must be valid for reads of `run` values, every one of `targets` for writes
    /// of the columns of `panels` (counted from column 0), and no other thread may access these during the
    /// call.
    ///
    /// # Panics
    /// If the numbers of rows, runs or columns do not fit together.
    pub unsafe fn compute(&self) {
        let rows = self.targets.len();
        if rows == 0 {
            return;
        }
        let runs = self.weights.depth / self.run.max(1);
        assert_eq!(runs * self.run, self.weights.depth, "the depth is all runs");
        assert_eq!(self.sources.len(), rows * runs, "each row has its runs");
        assert!(self.panels.end <= self.weights.count(), "no such panel");
        if let Some(bias) = self.finish.bias {
            assert_eq!(bias.len(), self.weights.columns, "one bias per column");
        }
        assert!(self.matrix < self.weights.matrices, "no such matrix");
        self.weights.set.run(Kernel {
            product: self,
            runs,
        });
    }
}

struct Kernel<'a> {
    product: &'a Product<'a>,
    runs: usize,
}

impl WithSimd for Kernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.product.targets.len();
        // Tiles as large as the registers allow, of nearly equal heights.
        let most = if S::REGISTER_COUNT >= 32 { TILE } else { 6 };
        let tiles = rows.div_ceil(most);
        let weights = self.product.weights;
        for depth in self.blocks() {
            let compute = |tile: usize, index: usize| {
                let panel = weights.panel(index);
                let width = panel.vectors * S::F32_LANES;
                let values = weights.values(panel, self.product.matrix);
                let values = &values[depth.first * width..][..depth.len() * width];
                let rows = tile * rows / tiles..(tile + 1) * rows / tiles;
                let compute = tile_of::<S>(rows.len(), panel.vectors);
                compute(
                    simd,
                    Tile {
                        product: self.product,
                        runs: self.runs,
                        depth: &depth,
                        rows,
                        panel,
                        values,
                        ahead: self.ahead(index, &depth).of_tile(tile, tiles, values.len()),
                    },
                );
            };
            let panels = self.product.panels.clone();
            if depth.len() * panels.len() * WIDE * S::F32_LANES <= FEW {
                // Each tile writes its rows from end to end before the next tile.
                (0..tiles).for_each(|tile| panels.clone().for_each(|index| compute(tile, index)));
            } else {
                panels.for_each(|index| (0..tiles).for_each(|tile| compute(tile, index)));
            }
        }
    }
}

/// The most weights that stay in a core's cache while all tiles use them.
const FEW: usize = 1 << 15;

/// Rows whose distance in bytes is a multiple of this are mapped to so few sets of a core's first-level cache
/// that they evict each other (each way has 4 KiB on current machines).
const CROWDED: usize = 2048;

/// The distance between rows of `values` values that lets many rows stay in cache together: `values`, or one
/// cache line more.
pub(super) fn roomy(values: usize) -> usize {
    let crowded = values > 0 && (values * size_of::<f32>()).is_multiple_of(CROWDED);
    values + if crowded { 16 } else { 0 }
}

/// Copies of rows that would be crowded, [`roomy`] values apart; `None` if no copy is needed.
pub(super) fn with_room(rows: &[f32], values: usize) -> Option<Buffer> {
    let apart = roomy(values);
    if apart == values {
        return None;
    }
    let mut copies = Buffer::unspecified(rows.len() / values * apart);
    copies
        .par_chunks_mut(apart)
        .zip(rows.par_chunks(values))
        .with_min_len(1 + (1 << 14) / values)
        .for_each(|(copy, row)| copy[..values].copy_from_slice(row));
    Some(copies)
}

/// Products that are summed before the next panel is used: as many as fit in a core's cache beside the rows
/// of a task.
const DEEP: usize = 512;

/// A stretch of the depth.
#[derive(Clone, Debug, PartialEq)]
struct Depth {
    /// Its runs.
    runs: Range<usize>,
    /// The part of each run.
    within: Range<usize>,
    /// Rows of weights before it.
    first: usize,
    /// Whether earlier sums are continued, and whether the sums are finished here.
    continues: bool,
    finishes: bool,
}

impl Depth {
    fn len(&self) -> usize {
        self.runs.len() * self.within.len()
    }
}

impl Kernel<'_> {
    /// Splits the depth into stretches of about [`DEEP`] products, in order: of whole runs or of a part of
    /// one.
    fn blocks(&self) -> impl Iterator<Item = Depth> + use<> {
        let (runs, run) = (self.runs, self.product.run);
        // Whole runs, if several fit; else parts of each.
        let whole = (DEEP / run.max(1)).clamp(1, runs.max(1));
        let parts = if whole == 1 {
            run.div_ceil(DEEP + DEEP / 2).max(1)
        } else {
            1
        };
        let blocks = runs.div_ceil(whole).max(1);
        (0..blocks * parts).map(move |index| {
            let (block, part) = (index / parts, index % parts);
            let runs = block * runs / blocks..(block + 1) * runs / blocks;
            let within = part * run / parts..(part + 1) * run / parts;
            Depth {
                first: runs.start * run + within.start,
                continues: index > 0,
                finishes: index + 1 == blocks * parts,
                runs,
                within,
            }
        })
    }

    /// The weights that are needed after those of this stretch of this panel: of the next panel or the next
    /// matrix.
    fn ahead(&self, panel: usize, depth: &Depth) -> Ahead {
        let weights = self.product.weights;
        let next = panel + 1 < self.product.panels.end;
        let (panel, matrix, first) = if next {
            (panel + 1, self.product.matrix, depth.first)
        } else if !depth.finishes {
            (
                self.product.panels.start,
                self.product.matrix,
                depth.first + depth.len(),
            )
        } else {
            let matrix = (self.product.matrix + 1) % weights.matrices;
            (self.product.panels.start, matrix, 0)
        };
        let panel = weights.panel(panel);
        let width = panel.vectors * weights.set.lanes();
        Ahead {
            at: weights.values(panel, matrix)[first * width..].as_ptr(),
            step: WIDE * weights.set.lanes(),
        }
    }
}

impl Finish<'_> {
    /// Finishes the sums of one row; the first one is in column `first`.
    #[inline(always)]
    pub fn row<S: Simd>(&self, simd: S, first: usize, sums: &mut [f32]) {
        if self.bias.is_none() && self.residual.is_none() && self.activation.is_none() {
            return;
        }
        let residual = self.residual.map(|residual| residual.of(sums));
        let bias = self.bias.map(|bias| &bias[first..first + sums.len()]);
        let lanes = S::F32_LANES;
        let mut vectors = sums.chunks_exact_mut(lanes);
        let mut at = 0;
        for sums in vectors.by_ref() {
            // SAFETY: `sums` is one vector; bias and residual are slices of the row's length.
            unsafe {
                let mut sum = load::<S>(sums.as_ptr());
                if let Some(bias) = bias {
                    sum = simd.add_f32s(sum, load::<S>(bias[at..at + lanes].as_ptr()));
                }
                if let Some(residual) = residual {
                    sum = simd.add_f32s(sum, load::<S>(residual[at..at + lanes].as_ptr()));
                }
                store::<S>(sums.as_mut_ptr(), activate(simd, self.activation, sum));
            }
            at += lanes;
        }
        for (value, at) in vectors.into_remainder().iter_mut().zip(at..) {
            *value += bias.map_or(0.0, |bias| bias[at]);
            *value += residual.map_or(0.0, |residual| residual[at]);
            if let Some(activation) = self.activation.filter(|&a| is_in_registers(a)) {
                *value = activation.value(*value);
            }
        }
        if let Some(activation) = self.activation
            && !is_in_registers(activation)
        {
            activation.finish(simd, sums);
        }
    }
}

#[cfg(test)]
mod tests;
