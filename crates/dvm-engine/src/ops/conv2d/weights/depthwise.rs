//! Depthwise convolution: for each tap, the sum over a row of pixels of the input times the gradient, channel
//! by channel.

#![allow(
    clippy::needless_range_loop,
    reason = "with constant bounds and indices, the sums stay in registers"
)]

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::super::BackwardCall;
use super::super::super::simd::{load, multiply_add, store};
use super::super::depthwise::{Taps, inside};
use super::super::{Conv2d, feature_map};
use crate::Tensor;
use crate::runtime::instruction_set::InstructionSet;

/// Partial sums: enough tasks for any number of cores.
const PARTIAL: usize = 32;

/// The gradient with respect to the weights, `[C, 1, kh, kw]`. Rows of the output are summed in a fixed
/// number of partial sums, which are added in order.
pub(in super::super) fn weight_gradient(
    conv: &Conv2d,
    call: &BackwardCall,
    grad_output: &Tensor,
) -> Tensor {
    let (n, c, h, w) = feature_map(call.inputs[0].shape()).expect("checked");
    let (_, _, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let border = conv.border(h, w);
    let set = super::super::filters(call.prepared).set();
    let weights = Weights {
        input: call.inputs[0].data(),
        gradient: grad_output.data(),
        map: (h, w, c),
        results: (oh, ow),
        kernel: conv.kernel,
        rows: &inside(oh, h, border.top, conv.along_rows()),
        columns: &inside(ow, w, border.left, conv.along_columns()),
        step: conv.stride.1,
        is_dense: conv.dilation.1 == 1,
    };
    let taps = conv.kernel.0 * conv.kernel.1;
    let rows = n * oh;
    let partial = PARTIAL.min(rows);
    let sums: Vec<Vec<f32>> = (0..partial)
        .into_par_iter()
        .map(|index| {
            let mut sums = vec![0.0; taps * c];
            for row in index * rows / partial..(index + 1) * rows / partial {
                weights.add_row(set, row, &mut sums);
            }
            sums
        })
        .collect();
    let mut gradient = vec![0.0; taps * c];
    for sums in sums {
        for (tap, sums) in sums.chunks_exact(c).enumerate() {
            for (channel, sum) in sums.iter().enumerate() {
                gradient[channel * taps + tap] += sum; // [kh·kw, C] => [C, kh·kw]
            }
        }
    }
    Tensor::from_stored(call.parameters[0].shape(), gradient)
}

struct Weights<'a> {
    input: &'a [f32],
    gradient: &'a [f32],
    /// Rows, columns and channels of a map of the input.
    map: (usize, usize, usize),
    /// Rows and columns of a map of the output.
    results: (usize, usize),
    kernel: (usize, usize),
    /// The taps of every row and of every column of the output.
    rows: &'a Taps,
    columns: &'a Taps,
    /// The stride along columns.
    step: usize,
    /// Whether neighbouring taps read neighbouring pixels.
    is_dense: bool,
}

impl Weights<'_> {
    /// Adds the contribution of one row of the output, counted through all maps, to the weights `[kh·kw, C]`.
    fn add_row(&self, set: InstructionSet, row: usize, sums: &mut [f32]) {
        let (h, w, c) = self.map;
        let (map, y) = (row / self.results.0, row % self.results.0);
        let gradient = &self.gradient[row * self.results.1 * c..][..self.results.1 * c];
        for &(ky, iy) in &self.rows[y] {
            let source = &self.input[(map * h + iy) * w * c..][..w * c];
            let sums = &mut sums[ky * self.kernel.1 * c..][..self.kernel.1 * c];
            set.run(Row {
                weights: self,
                gradient,
                source,
                sums,
            });
        }
    }

    /// The columns of the output whose windows are completely inside the input.
    fn whole_columns(&self) -> std::ops::Range<usize> {
        let whole = |taps: &Vec<(usize, usize)>| taps.len() == self.kernel.1;
        let first = self.columns.iter().position(whole).unwrap_or(0);
        let count = self.columns[first..]
            .iter()
            .take_while(|t| whole(t))
            .count();
        first..first + count
    }
}

/// A row of the output and one row of the input in its windows.
struct Row<'a> {
    weights: &'a Weights<'a>,
    /// `[columns, C]`
    gradient: &'a [f32],
    /// `[columns, C]`
    source: &'a [f32],
    /// `[kw, C]`
    sums: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let whole = self.weights.whole_columns();
        let done = match (self.weights.is_dense, self.weights.kernel.1) {
            (true, 3) => self.inner::<S, 3>(simd, whole.clone()),
            (true, 5) => self.inner::<S, 5>(simd, whole.clone()),
            _ => false,
        };
        for x in 0..self.weights.results.1 {
            if !(done && whole.contains(&x)) {
                self.outer(simd, x);
            }
        }
    }
}

/// Pixels that are summed separately, so that sums do not wait for each other.
const PIXELS: usize = 2;

impl Row<'_> {
    /// All windows that are inside the row.
    #[inline(always)]
    fn inner<S: Simd, const K: usize>(&mut self, simd: S, columns: std::ops::Range<usize>) -> bool {
        let c = self.weights.map.2;
        let (step, lanes) = (self.weights.step, S::F32_LANES);
        if columns.is_empty() {
            return false;
        }
        let start = self.weights.columns[columns.start][0].1;
        let reach = start + (columns.len() - 1) * step + K;
        let source = &self.source[start * c..reach * c];
        let gradient = &self.gradient[columns.start * c..columns.end * c];
        for channel in (0..c).step_by(lanes) {
            let used = lanes.min(c - channel);
            // SAFETY: a pixel has at least `used` channels from `channel` on, and all pixels of the windows
            // are inside `source`, which the slice's bounds ensure.
            let read = |at: *const f32| unsafe {
                if used == lanes {
                    load::<S>(at.add(channel))
                } else {
                    simd.partial_load_f32s(std::slice::from_raw_parts(at.add(channel), used))
                }
            };
            let mut sums = [[simd.splat_f32s(0.0); K]; PIXELS];
            let mut x = 0;
            while x + PIXELS <= columns.len() {
                for p in 0..PIXELS {
                    // SAFETY: pixel `x + p` is one of `columns`.
                    let (grad, seen) = unsafe {
                        (
                            read(gradient.as_ptr().add((x + p) * c)),
                            source.as_ptr().add((x + p) * step * c),
                        )
                    };
                    for k in 0..K {
                        // SAFETY: as above.
                        let value = read(unsafe { seen.add(k * c) });
                        sums[p][k] = multiply_add(simd, value, grad, sums[p][k]);
                    }
                }
                x += PIXELS;
            }
            for x in x..columns.len() {
                // SAFETY: as above.
                let grad = read(unsafe { gradient.as_ptr().add(x * c) });
                for k in 0..K {
                    // SAFETY: as above.
                    let value = read(unsafe { source.as_ptr().add((x * step + k) * c) });
                    sums[0][k] = multiply_add(simd, value, grad, sums[0][k]);
                }
            }
            for k in 0..K {
                let sum = simd.add_f32s(sums[0][k], sums[1][k]);
                let target = &mut self.sums[k * c + channel..][..used];
                let sum = simd.add_f32s(read_part(simd, target), sum);
                write_part(simd, target, sum);
            }
        }
        true
    }

    /// One window at any position.
    #[inline(always)]
    fn outer<S: Simd>(&mut self, simd: S, x: usize) {
        let c = self.weights.map.2;
        let lanes = S::F32_LANES;
        for channel in (0..c).step_by(lanes) {
            let used = lanes.min(c - channel);
            let grad = read_part(simd, &self.gradient[x * c + channel..][..used]);
            for &(k, ix) in &self.weights.columns[x] {
                let value = read_part(simd, &self.source[ix * c + channel..][..used]);
                let target = &mut self.sums[k * c + channel..][..used];
                let sum = multiply_add(simd, value, grad, read_part(simd, target));
                write_part(simd, target, sum);
            }
        }
    }
}

/// A vector, or a part of one if the slice is shorter.
#[inline(always)]
fn read_part<S: Simd>(simd: S, slice: &[f32]) -> S::f32s {
    if slice.len() == S::F32_LANES {
        // SAFETY: the slice has the values of a vector.
        unsafe { load::<S>(slice.as_ptr()) }
    } else {
        simd.partial_load_f32s(slice)
    }
}

/// Writes a vector, or a part of it if the slice is shorter.
#[inline(always)]
fn write_part<S: Simd>(simd: S, slice: &mut [f32], values: S::f32s) {
    if slice.len() == S::F32_LANES {
        // SAFETY: the slice has room for a vector.
        unsafe { store::<S>(slice.as_mut_ptr(), values) }
    } else {
        simd.partial_store_f32s(slice, values);
    }
}
