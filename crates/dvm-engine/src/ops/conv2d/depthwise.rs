//! Depthwise convolution: one filter per channel, computed directly along the channels.

#![allow(
    clippy::needless_range_loop,
    reason = "with constant bounds and indices, the sums stay in registers"
)]

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::activation::by_vector::{activate, is_in_registers};
use super::super::panels::Finish;
use super::super::simd::{load, multiply_add, store};
use super::super::{BackwardCall, ForwardCall};
use super::{Conv2d, feature_map};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::InstructionSet;

/// For each position of the target along one axis, pairs of a tap and the source position that it reads.
pub(super) type Taps = Vec<Vec<(usize, usize)>>;

/// For each output position, the taps that are inside an input of `length` pixels.
pub(super) fn inside(
    outputs: usize,
    length: usize,
    before: usize,
    (kernel, dilation, stride): (usize, usize, usize),
) -> Taps {
    (0..outputs)
        .map(|output| {
            (0..kernel)
                .filter_map(|k| {
                    let at = (output * stride + k * dilation).checked_sub(before)?;
                    (at < length).then_some((k, at))
                })
                .collect()
        })
        .collect()
}

/// For each input position, the taps and outputs whose windows contain it: the inverse of [`inside`].
pub(super) fn windows_over(
    outputs: usize,
    length: usize,
    before: usize,
    (kernel, dilation, stride): (usize, usize, usize),
) -> Taps {
    let mut taps = vec![Vec::new(); length];
    let forward = inside(outputs, length, before, (kernel, dilation, stride));
    for (output, reads) in forward.into_iter().enumerate() {
        for (k, at) in reads {
            taps[at].push((k, output));
        }
    }
    taps
}

impl Conv2d {
    pub(super) fn along_rows(&self) -> (usize, usize, usize) {
        (self.kernel.0, self.dilation.0, self.stride.0)
    }

    pub(super) fn along_columns(&self) -> (usize, usize, usize) {
        (self.kernel.1, self.dilation.1, self.stride.1)
    }
}

/// A depthwise convolution of feature maps `N, H, W, C` as stored.
struct Depthwise<'a> {
    input: &'a [f32],
    /// Number, rows, columns and channels of the maps.
    maps: (usize, usize, usize, usize),
    /// Rows and columns of an output map.
    results: (usize, usize),
    /// `[kh·kw, C]`
    weights: &'a [f32],
    kernel: (usize, usize),
    /// The stride along columns, and the columns before the map that count as zeros.
    slide: (usize, usize),
    /// The taps of every row and of every column.
    rows: &'a Taps,
    columns: &'a Taps,
    /// Zeros, at least as many as there are channels.
    zeros: &'a [f32],
    /// Whether neighbouring taps read neighbouring pixels, in this order.
    is_dense: bool,
    finish: Finish<'a>,
}

impl Depthwise<'_> {
    fn convolve(&self, set: InstructionSet, output: &mut [f32]) {
        let (_, _, _, c) = self.maps;
        output
            .par_chunks_mut(self.results.1 * c)
            .with_min_len(1 + 4096 / (self.results.1 * c))
            .enumerate()
            .for_each(|(index, values)| {
                set.run(DepthwiseRow {
                    depthwise: self,
                    map: index / self.results.0,
                    y: index % self.results.0,
                    values,
                });
            });
    }
}

/// One row of the output.
struct DepthwiseRow<'a> {
    depthwise: &'a Depthwise<'a>,
    map: usize,
    y: usize,
    values: &'a mut [f32],
}

impl WithSimd for DepthwiseRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Depthwise {
            input,
            maps: (_, h, w, c),
            ..
        } = *self.depthwise;
        let source = &input[self.map * h * w * c..][..h * w * c];
        let done = match (
            self.depthwise.is_dense,
            self.depthwise.kernel.1,
            self.depthwise.slide.0,
        ) {
            (true, 3, 1) => self.inner::<S, 3, 1, 9>(simd, source),
            (true, 3, 2) => self.inner::<S, 3, 2, 15>(simd, source),
            (true, 5, 1) => self.inner::<S, 5, 1, 11>(simd, source),
            (true, 5, 2) => self.inner::<S, 5, 2, 17>(simd, source),
            (true, 7, 1) => self.inner::<S, 7, 1, 13>(simd, source),
            (true, 7, 2) => self.inner::<S, 7, 2, 19>(simd, source),
            _ => 0,
        };
        // The channels that do not fill a vector, and other kernels.
        self.outer(simd, source, done);
    }
}

/// Pixels whose sums are in registers at a time: 7 divides the sides of most feature maps.
const PIXELS: usize = 7;

impl DepthwiseRow<'_> {
    /// Computes and finishes all pixels of the row for the channels that fill whole vectors; returns the
    /// number of these channels. `REACH` is the number of columns that [`PIXELS`] windows read.
    #[inline(always)]
    fn inner<S: Simd, const K: usize, const STRIDE: usize, const REACH: usize>(
        &mut self,
        simd: S,
        source: &[f32],
    ) -> usize {
        let Depthwise {
            maps: (_, _, w, c),
            results,
            weights,
            zeros,
            slide: (_, before),
            rows,
            finish,
            ..
        } = *self.depthwise;
        let lanes = S::F32_LANES;
        let whole = c / lanes * lanes;
        let rows = &rows[self.y];
        if whole == 0 || rows.len() > K {
            return 0;
        }
        // With a residual, the finish is applied to pixels once they are stored.
        let at_once = finish.residual.is_none();
        assert_eq!(REACH, (PIXELS - 1) * STRIDE + K);
        assert!(zeros.len() >= c && weights.len() == self.depthwise.kernel.0 * K * c);
        let zero = simd.splat_f32s(0.0);
        for start in (0..results.1).step_by(PIXELS) {
            let pixels = PIXELS.min(results.1 - start);
            // The pixels under each row of the kernel; zeros outside of the map.
            let mut seen = [[zeros.as_ptr(); REACH]; K];
            for (seen, &(_, y)) in seen.iter_mut().zip(rows) {
                for (i, seen) in seen.iter_mut().enumerate() {
                    if let Some(x) = (start * STRIDE + i).checked_sub(before)
                        && x < w
                    {
                        *seen = source[(y * w + x) * c..][..c].as_ptr();
                    }
                }
            }
            let target = self.values[start * c..][..pixels * c].as_mut_ptr();
            for first in (0..whole).step_by(lanes) {
                let mut sums = [zero; PIXELS];
                for (seen, &(ky, _)) in seen.iter().zip(rows) {
                    // SAFETY: each pointer is the start of a pixel's channels, or of as many zeros; `weights`
                    // has `K` taps for each row of the kernel, and `first + lanes ≤ c`.
                    unsafe {
                        let taps = weights.as_ptr().add(ky * K * c + first);
                        let mut factors = [zero; K];
                        for k in 0..K {
                            factors[k] = load::<S>(taps.add(k * c));
                        }
                        for i in 0..REACH {
                            let value = load::<S>(seen[i].add(first));
                            for p in 0..PIXELS {
                                if i >= p * STRIDE && i - p * STRIDE < K {
                                    let factor = factors[i - p * STRIDE];
                                    sums[p] = multiply_add(simd, value, factor, sums[p]);
                                }
                            }
                        }
                    }
                }
                if at_once {
                    let bias = match finish.bias {
                        // SAFETY: the slice has the values of a vector.
                        Some(bias) => unsafe { load::<S>(bias[first..first + lanes].as_ptr()) },
                        None => zero,
                    };
                    for p in 0..PIXELS {
                        sums[p] = activate(simd, finish.activation, simd.add_f32s(sums[p], bias));
                    }
                }
                for p in 0..PIXELS {
                    if p < pixels {
                        // SAFETY: `target` has `pixels · c` values.
                        unsafe { store::<S>(target.add(p * c + first), sums[p]) };
                    }
                }
            }
            let values = &mut self.values[start * c..][..pixels * c];
            if !at_once {
                let pixels = values.chunks_exact_mut(c);
                pixels.for_each(|pixel| finish.row(simd, 0, &mut pixel[..whole]));
            } else if let Some(activation) = finish.activation
                && !is_in_registers(activation)
            {
                let rows: [*mut f32; PIXELS] =
                    std::array::from_fn(|p| values[p.min(pixels - 1) * c..].as_mut_ptr());
                // SAFETY: each of these pixels has `c` values of this slice.
                unsafe { activation.finish_rows(simd, &rows[..pixels], (0, whole)) };
            }
        }
        whole
    }

    /// Computes all pixels of the row, for the channels from `first` on.
    #[inline(always)]
    fn outer<S: Simd>(&mut self, simd: S, source: &[f32], first: usize) {
        let Depthwise {
            maps: (_, _, w, c),
            weights,
            kernel,
            ..
        } = *self.depthwise;
        let lanes = S::F32_LANES;
        if first == c {
            return;
        }
        for x in 0..self.depthwise.results.1 {
            let pixel = &mut self.values[x * c..][..c];
            for channel in (first..c).step_by(lanes) {
                let used = lanes.min(c - channel);
                // SAFETY: a full slice has the values of a vector.
                let read = |slice: &[f32]| unsafe {
                    if used == lanes {
                        load::<S>(slice.as_ptr())
                    } else {
                        simd.partial_load_f32s(slice)
                    }
                };
                let mut sum = simd.splat_f32s(0.0);
                for &(ky, iy) in &self.depthwise.rows[self.y] {
                    for &(kx, ix) in &self.depthwise.columns[x] {
                        let value = &source[(iy * w + ix) * c + channel..][..used];
                        let factor = &weights[(ky * kernel.1 + kx) * c + channel..][..used];
                        sum = multiply_add(simd, read(value), read(factor), sum);
                    }
                }
                if used == lanes {
                    // SAFETY: the pixel has at least `used` values from `channel` on.
                    unsafe { store::<S>(pixel[channel..].as_mut_ptr(), sum) };
                } else {
                    simd.partial_store_f32s(&mut pixel[channel..], sum);
                }
            }
            self.depthwise.finish.row(simd, first, &mut pixel[first..]);
        }
    }
}

/// The convolution with all fused ops.
pub(super) fn forward(conv: &Conv2d, call: &ForwardCall, finish: Finish, output: &mut [f32]) {
    let (n, c, h, w) = feature_map(call.inputs[0].shape()).expect("checked");
    let (_, _, oh, ow) = feature_map(call.output_shape).expect("checked");
    let border = conv.border(h, w);
    let filters = super::filters(call.prepared);
    Depthwise {
        input: call.inputs[0].data(),
        maps: (n, h, w, c),
        results: (oh, ow),
        weights: filters.by_tap(call.parameters[0]),
        kernel: conv.kernel,
        slide: (conv.stride.1, border.left),
        rows: &inside(oh, h, border.top, conv.along_rows()),
        columns: &inside(ow, w, border.left, conv.along_columns()),
        zeros: &vec![0.0; c],
        is_dense: conv.dilation.1 == 1,
        finish,
    }
    .convolve(filters.set(), output);
}

/// The gradient with respect to the input.
pub(super) fn input_gradient(conv: &Conv2d, call: &BackwardCall, grad_output: &Tensor) -> Tensor {
    let shape = call.inputs[0].shape();
    let (n, c, h, w) = feature_map(shape).expect("checked");
    let (_, _, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let border = conv.border(h, w);
    let filters = super::filters(call.prepared);
    let mut rows = windows_over(oh, h, border.top, conv.along_rows());
    let mut columns = windows_over(ow, w, border.left, conv.along_columns());
    // Rotated by 180°, the filters of a stride of 1 read neighbouring pixels in order.
    let mut weights = filters.by_tap(call.parameters[0]).to_vec();
    let turned = conv.stride == (1, 1) && conv.dilation == (1, 1) && border.left < conv.kernel.1;
    if turned {
        let taps = weights.len() / c;
        for tap in 0..taps / 2 {
            for channel in 0..c {
                weights.swap(tap * c + channel, (taps - 1 - tap) * c + channel);
            }
        }
        let turn = |taps: &mut Taps, kernel: usize| {
            for (k, _) in taps.iter_mut().flatten() {
                *k = kernel - 1 - *k;
            }
        };
        turn(&mut rows, conv.kernel.0);
        turn(&mut columns, conv.kernel.1);
    }
    let mut gradient = Buffer::unspecified(n * h * w * c);
    Depthwise {
        input: grad_output.data(),
        maps: (n, oh, ow, c),
        results: (h, w),
        weights: &weights,
        kernel: conv.kernel,
        slide: (1, (conv.kernel.1 - 1).saturating_sub(border.left)),
        rows: &rows,
        columns: &columns,
        zeros: &vec![0.0; c],
        is_dense: turned,
        finish: Finish::default(),
    }
    .convolve(filters.set(), &mut gradient);
    Tensor::from_buffer(shape, gradient)
}
