//! Convolution as matrix products: the pixels under each window are gathered into rows of a
//! panel (im2col), a block of rows at a time so that the panel stays in cache, and multiplied by
//! the weights.

use std::ops::Range;

use rayon::prelude::*;

use super::super::matmul::{Matrix, matmul};
use super::{Call, Conv2d, feature_map};
use crate::Tensor;
use crate::buffer::Buffer;

/// Values of a panel: 1.5 MB, about a core's share of cache.
const PANEL: usize = 400_000;

/// Which input pixels stand under each of a lattice of windows.
pub(super) struct Gather<'a> {
    /// Feature maps as stored, `N, H, W, C`.
    pub input: &'a [f32],
    /// Rows, columns and channels of one map.
    pub map: (usize, usize, usize),
    /// The channels that are gathered.
    pub channels: Range<usize>,
    /// Rows and columns of the lattice of windows in each map.
    pub lattice: (usize, usize),
    /// Rows and columns of input pixels from one window to the next.
    pub step: (usize, usize),
    /// Offset of each tap from its window's origin.
    pub taps: &'a [(isize, isize)],
}

impl Gather<'_> {
    /// Values in one row of the panel.
    pub fn depth(&self) -> usize {
        self.taps.len() * self.channels.len()
    }

    /// Whether the panel would equal the input itself.
    fn is_plain(&self) -> bool {
        let (h, w, c) = self.map;
        self.taps == [(0, 0)]
            && self.step == (1, 1)
            && self.lattice == (h, w)
            && self.channels == (0..c)
    }

    /// The rows of the panel for these windows (numbered through all maps): gathered into
    /// `scratch`, or, where they lie in the input just so, borrowed from there.
    pub fn rows<'s>(&'s self, windows: Range<usize>, scratch: &'s mut Buffer) -> &'s [f32] {
        let depth = self.depth();
        if self.is_plain() {
            return &self.input[windows.start * depth..windows.end * depth];
        }
        let len = windows.len() * depth;
        scratch.resize(len);
        for (window, row) in windows.zip(scratch.chunks_exact_mut(depth)) {
            self.row(window, row);
        }
        scratch
    }

    fn row(&self, window: usize, row: &mut [f32]) {
        let (h, w, c) = self.map;
        let x = window % self.lattice.1;
        let y = window / self.lattice.1 % self.lattice.0;
        let n = window / (self.lattice.0 * self.lattice.1);
        let (top, left) = ((y * self.step.0) as isize, (x * self.step.1) as isize);
        let width = self.channels.len();
        let mut tap = 0;
        let mut at = 0;
        while tap < self.taps.len() {
            let (dy, dx) = self.taps[tap];
            let (iy, ix) = (top + dy, left + dx);
            let row_inside = iy >= 0 && iy < h as isize;
            // Taps that are neighbours in the input are copied as one run.
            let mut run = 1;
            if width == c && row_inside && ix >= 0 {
                while tap + run < self.taps.len()
                    && self.taps[tap + run] == (dy, dx + run as isize)
                    && ix + (run as isize) < w as isize
                {
                    run += 1;
                }
            }
            let target = &mut row[at..at + run * width];
            if row_inside && ix >= 0 && ix < w as isize {
                let start = ((n * h + iy as usize) * w + ix as usize) * c + self.channels.start;
                target.copy_from_slice(&self.input[start..start + run * width]);
            } else {
                target.fill(0.0);
            }
            tap += run;
            at += run * width;
        }
    }
}

/// Windows that are worked on as one block: it depends on the layer's size only, so that results
/// do not depend on the number of threads.
pub(super) fn block_rows(depth: usize) -> usize {
    (PANEL / depth).clamp(128, 1024)
}

/// Whether splitting by windows alone gives too few blocks to keep several cores busy.
fn is_narrow(windows: usize, depth: usize, outputs: usize) -> bool {
    windows <= 3 * block_rows(depth) && outputs >= 2 * COLUMNS && depth >= 64
}

/// Tasks that even a small layer is split into, so that cores that are done early find more to do.
const TASKS: usize = 32;

/// Output channels of one task of a narrow product.
const COLUMNS: usize = 64;

/// The convolution with everything that was fused into it.
pub(super) fn forward(conv: &Conv2d, call: &Call) -> Tensor {
    let input = call.inputs[0];
    let (n, c, h, w) = feature_map(input.shape()).expect("checked");
    let (_, outputs, oh, ow) = feature_map(call.output_shape).expect("checked");
    let weights = call
        .prepared
        .expect("a convolution prepares its weights")
        .data();
    let taps = conv.taps(conv.border(h, w));
    let (group_in, group_out) = (c / conv.groups, outputs / conv.groups);
    let gather = |group: usize| Gather {
        input: input.data(),
        map: (h, w, c),
        channels: group * group_in..(group + 1) * group_in,
        lattice: (oh, ow),
        step: conv.stride,
        taps: &taps,
    };
    let depth = taps.len() * group_in;
    let windows = n * oh * ow;
    let mut output = Buffer::stale(windows * outputs);
    let rows = block_rows(depth).min(windows.div_ceil(TASKS)).max(64);
    if conv.groups == 1 && is_narrow(windows, depth, outputs) {
        narrow(&gather(0), windows, weights, outputs, &mut output);
        output
            .par_chunks_mut(rows * outputs)
            .enumerate()
            .for_each(|(block, values)| {
                let start = block * rows * outputs;
                conv.finish(call, start..start + values.len(), values);
            });
    } else {
        output
            .par_chunks_mut(rows * outputs)
            .enumerate()
            .for_each_init(
                || Buffer::stale(0),
                |scratch, (block, values)| {
                    let first = block * rows;
                    let count = values.len() / outputs;
                    for group in 0..conv.groups {
                        let gather = gather(group);
                        let panel = gather.rows(first..first + count, scratch);
                        let weights = &weights[group * depth * group_out..][..depth * group_out];
                        matmul(
                            (count, group_out, depth),
                            Matrix::rows(panel, depth),
                            Matrix::rows(weights, group_out),
                            &mut values[group * group_out..],
                            outputs,
                            false,
                        );
                    }
                    let start = first * outputs;
                    conv.finish(call, start..start + values.len(), values);
                },
            );
    }
    Tensor::from_buffer(call.output_shape, output)
}

/// A product with few windows and many output channels, split by output channels.
fn narrow(gather: &Gather, windows: usize, weights: &[f32], outputs: usize, output: &mut [f32]) {
    let depth = gather.depth();
    let mut gathered;
    let panel: &[f32] = if gather.is_plain() {
        gather.input
    } else {
        gathered = Buffer::stale(windows * depth);
        gathered
            .par_chunks_mut(depth)
            .with_min_len(8)
            .enumerate()
            .for_each(|(window, row)| gather.row(window, row));
        &gathered
    };
    let columns: Vec<Buffer> = (0..outputs.div_ceil(COLUMNS))
        .into_par_iter()
        .map(|block| {
            let first = block * COLUMNS;
            let count = COLUMNS.min(outputs - first);
            let mut product = Buffer::stale(windows * count);
            matmul(
                (windows, count, depth),
                Matrix::rows(panel, depth),
                Matrix {
                    values: &weights[first..],
                    row_stride: outputs,
                    column_stride: 1,
                },
                &mut product,
                count,
                false,
            );
            product
        })
        .collect();
    for (window, row) in output.chunks_exact_mut(outputs).enumerate() {
        for (part, product) in row.chunks_mut(COLUMNS).zip(&columns) {
            let count = part.len();
            part.copy_from_slice(&product[window * count..][..count]);
        }
    }
}
