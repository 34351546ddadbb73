//! Depthwise convolution: one filter per channel, computed directly along the channels.

use rayon::prelude::*;

use super::super::{Call, Site, vectorised};
use super::{Conv2d, feature_map};
use crate::Tensor;
use crate::buffer::Buffer;

/// Pairs of a tap and the position in the source that it reads, for each position of the target
/// along one axis.
pub(super) type Taps = Vec<Vec<(usize, usize)>>;

/// For each output position, the taps that fall inside an input of `length` pixels.
fn inside(
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

/// For each input position, the outputs whose windows hold it: [`inside`] seen from the other end.
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

/// What one row of the target is computed from.
struct Row<'a> {
    /// One map of the source, `rows, width, c`.
    source: &'a [f32],
    width: usize,
    channels: usize,
    /// The taps of this row.
    rows: &'a [(usize, usize)],
    /// The taps of each column.
    columns: &'a Taps,
    /// `[kh·kw, C]`
    weights: &'a [f32],
    kernel_width: usize,
}

impl Row<'_> {
    /// `Σ source · weight` over the taps, for every pixel of the row and every channel: along the
    /// channels in pieces whose sums stay in registers.
    #[inline(always)]
    fn compute(&self, target: &mut [f32]) {
        let mut first = 0;
        while first < self.channels {
            first += match self.channels - first {
                32.. => self.lanes::<32>(first, target),
                16.. => self.lanes::<16>(first, target),
                8.. => self.lanes::<8>(first, target),
                _ => self.lanes::<1>(first, target),
            };
        }
    }

    #[inline(always)]
    fn lanes<const L: usize>(&self, first: usize, target: &mut [f32]) -> usize {
        let c = self.channels;
        for (pixel, columns) in target.chunks_exact_mut(c).zip(self.columns) {
            let mut sums = [0.0f32; L];
            for &(ky, y) in self.rows {
                for &(kx, x) in columns {
                    let source = &self.source[(y * self.width + x) * c + first..][..L];
                    let weight = &self.weights[(ky * self.kernel_width + kx) * c + first..][..L];
                    for lane in 0..L {
                        sums[lane] += source[lane] * weight[lane];
                    }
                }
            }
            pixel[first..first + L].copy_from_slice(&sums);
        }
        L
    }
}

/// The convolution with everything that was fused into it.
pub(super) fn forward(conv: &Conv2d, call: &Call) -> Tensor {
    let input = call.inputs[0].data();
    let (_, c, h, w) = feature_map(call.inputs[0].shape()).expect("checked");
    let (n, _, oh, ow) = feature_map(call.output_shape).expect("checked");
    let border = conv.border(h, w);
    let rows = inside(oh, h, border.top, conv.along_rows());
    let columns = inside(ow, w, border.left, conv.along_columns());
    let prepared = call.prepared.expect("a convolution prepares its weights");
    let mut output = Buffer::stale(n * oh * ow * c);
    output
        .par_chunks_mut(ow * c)
        .enumerate()
        .for_each(|(index, values)| {
            let row = Row {
                source: &input[index / oh * h * w * c..][..h * w * c],
                width: w,
                channels: c,
                rows: &rows[index % oh],
                columns: &columns,
                weights: prepared.data(),
                kernel_width: conv.kernel.1,
            };
            vectorised(
                #[inline(always)]
                || row.compute(values),
            );
            let start = index * ow * c;
            conv.finish(call, start..start + ow * c, values);
        });
    Tensor::from_buffer(call.output_shape, output)
}

/// The gradient with respect to the input.
pub(super) fn input_gradient(conv: &Conv2d, site: &Site, grad_output: &Tensor) -> Tensor {
    let shape = site.inputs[0].shape();
    let (n, c, h, w) = feature_map(shape).expect("checked");
    let (_, _, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let prepared = super::super::Op::prepare(conv, site.parameters).expect("weights");
    let border = conv.border(h, w);
    let rows = windows_over(oh, h, border.top, conv.along_rows());
    let columns = windows_over(ow, w, border.left, conv.along_columns());
    let mut gradient = Buffer::stale(n * h * w * c);
    gradient
        .par_chunks_mut(w * c)
        .enumerate()
        .for_each(|(index, values)| {
            let row = Row {
                source: &grad_output.data()[index / h * oh * ow * c..][..oh * ow * c],
                width: ow,
                channels: c,
                rows: &rows[index % h],
                columns: &columns,
                weights: prepared.data(),
                kernel_width: conv.kernel.1,
            };
            vectorised(
                #[inline(always)]
                || row.compute(values),
            );
        });
    Tensor::from_buffer(shape, gradient)
}

/// The gradient with respect to the weights, `[C, 1, kh, kw]`. Each map of the batch gives a
/// partial sum; these are added in order, so the result does not depend on the threads.
pub(super) fn weight_gradient(conv: &Conv2d, site: &Site, grad_output: &Tensor) -> Tensor {
    let input = site.inputs[0].data();
    let (n, c, h, w) = feature_map(site.inputs[0].shape()).expect("checked");
    let (_, _, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let border = conv.border(h, w);
    let rows = inside(oh, h, border.top, conv.along_rows());
    let columns = inside(ow, w, border.left, conv.along_columns());
    let taps = conv.kernel.0 * conv.kernel.1;
    let partial: Vec<Vec<f32>> = (0..n)
        .into_par_iter()
        .map(|map| {
            let mut sums = vec![0.0; taps * c];
            vectorised(
                #[inline(always)]
                || {
                    for (y, rows) in rows.iter().enumerate() {
                        for (x, columns) in columns.iter().enumerate() {
                            let grad = &grad_output.data()[((map * oh + y) * ow + x) * c..][..c];
                            for &(ky, iy) in rows {
                                for &(kx, ix) in columns {
                                    let source = &input[((map * h + iy) * w + ix) * c..][..c];
                                    let sum = &mut sums[(ky * conv.kernel.1 + kx) * c..][..c];
                                    for ((s, &i), &g) in sum.iter_mut().zip(source).zip(grad) {
                                        *s += i * g;
                                    }
                                }
                            }
                        }
                    }
                },
            );
            sums
        })
        .collect();
    let mut gradient = vec![0.0; taps * c];
    for sums in partial {
        for (tap, sums) in sums.chunks_exact(c).enumerate() {
            for (channel, sum) in sums.iter().enumerate() {
                gradient[channel * taps + tap] += sum; // [kh·kw, C] => [C, kh·kw]
            }
        }
    }
    Tensor::from_stored(site.parameters[0].shape(), gradient)
}
