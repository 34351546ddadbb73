//! Gradients of the input of an ordinary (not depthwise) convolution.

use rayon::prelude::*;

use super::super::matmul::{Matrix, matmul};
use super::super::panels::{Finish, Panels};
use super::super::{Arithmetic, BackwardCall};
use super::depthwise::windows_over;
use super::direct::Lattice;
use super::winograd::{self, Winograd};
use super::{Border, Conv2d, InstructionSet, feature_map};
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// One of the `stride × stride` interleaved sub-lattices of the input. All its pixels are reached by the same
/// taps of the kernel, so its gradient is a stride-1 convolution of the output's gradient with those taps,
/// without scattered writes and without products with inserted zeros.
pub(super) struct Phase {
    /// Row and column of the phase's first pixel.
    origin: (usize, usize),
    /// Offsets into the gradient of the output.
    offsets: Vec<(isize, isize)>,
    /// For each group, `[taps · O, I / groups]`.
    filters: Vec<Panels>,
}

impl Phase {
    /// The phases of a convolution whose input has this border.
    fn all(set: InstructionSet, conv: &Conv2d, border: Border, weight: &Tensor) -> Vec<Self> {
        // The taps that reach phase `origin` along one axis, as (offset, tap), in ascending order of offsets
        // so that neighbours are read as one run.
        let along =
            |origin: usize, kernel: usize, padding: usize, dilation: usize, stride: usize| {
                let mut taps: Vec<(isize, usize)> = (0..kernel)
                    .filter_map(|k| {
                        let distance = (origin + padding) as isize - (k * dilation) as isize;
                        (distance.rem_euclid(stride as isize) == 0)
                            .then(|| (distance.div_euclid(stride as isize), k))
                    })
                    .collect();
                taps.sort_unstable();
                taps
            };
        let (kh, kw) = conv.kernel;
        let mut phases = Vec::new();
        for qy in 0..conv.stride.0 {
            let ys = along(qy, kh, border.top, conv.dilation.0, conv.stride.0);
            for qx in 0..conv.stride.1 {
                let xs = along(qx, kw, border.left, conv.dilation.1, conv.stride.1);
                let pairs = || ys.iter().flat_map(|y| xs.iter().map(move |x| (y, x)));
                let taps: Vec<usize> = pairs().map(|(y, x)| y.1 * kw + x.1).collect();
                phases.push(Self {
                    origin: (qy, qx),
                    offsets: pairs().map(|(y, x)| (y.0, x.0)).collect(),
                    filters: Self::filters(set, conv, weight, &taps),
                });
            }
        }
        phases
    }

    fn filters(set: InstructionSet, conv: &Conv2d, weight: &Tensor, taps: &[usize]) -> Vec<Panels> {
        let outputs = weight.shape()[0] / conv.groups;
        let inputs = weight.shape()[1];
        let filter = conv.kernel.0 * conv.kernel.1 * inputs;
        (0..conv.groups)
            .map(|group| {
                let weight = &weight.data()[group * outputs * filter..];
                let size = (1, taps.len() * outputs, inputs);
                Panels::pack(set, size, |k, first, row| {
                    let at = k % outputs * filter + taps[k / outputs] * inputs + first;
                    row.copy_from_slice(&weight[at..at + row.len()]);
                })
            })
            .collect()
    }
}

/// Up to this many channels, as in the first layer, a product with one column per channel would leave most of
/// each vector register empty.
const FEW_CHANNELS: usize = 8;

/// The gradient with respect to the input.
pub(super) fn input_gradient(conv: &Conv2d, call: &BackwardCall, grad_output: &Tensor) -> Tensor {
    let shape = call.inputs[0].shape();
    let (n, c, h, w) = feature_map(shape).expect("checked");
    let (_, outputs, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let filters = super::filters(call.prepared);
    let weight = call.parameters[0];
    let border = conv.border(h, w);
    if conv.groups == 1 && c <= FEW_CHANNELS {
        return input_gradient_of_few_channels(conv, call, grad_output);
    }
    if conv.is_three_by_three()
        && call.arithmetic == Arithmetic::Fast
        && border.top <= 2
        && border.left <= 2
        && winograd::is_cheaper(n, (h, w), (outputs, c))
    {
        let mut gradient = Buffer::unspecified(call.inputs[0].len());
        Winograd {
            input: grad_output.data(),
            maps: (n, oh, ow, outputs),
            border: (2 - border.top, 2 - border.left),
            filters: filters.turned(weight),
            results: (h, w),
            finish: Finish::default(),
        }
        .convolve(&mut gradient);
        return Tensor::from_buffer(shape, gradient);
    }
    let phases = filters.phases((border.top, border.left), || {
        Phase::all(filters.set(), conv, border, weight)
    });
    // A phase that no tap reaches is all zeros.
    let mut gradient = if phases.iter().all(|phase| !phase.offsets.is_empty()) {
        Buffer::unspecified(call.inputs[0].len())
    } else {
        Buffer::zeroed(call.inputs[0].len())
    };
    for phase in phases.iter() {
        let (qy, qx) = phase.origin;
        if phase.offsets.is_empty() || qy >= h || qx >= w {
            continue;
        }
        Lattice {
            input: grad_output.data(),
            maps: (n, oh, ow, outputs),
            windows: (
                (h - qy).div_ceil(conv.stride.0),
                (w - qx).div_ceil(conv.stride.1),
            ),
            step: (1, 1),
            taps: &phase.offsets,
            results: (h, w, c),
            places: (phase.origin, conv.stride),
        }
        .convolve(&phase.filters, Finish::default(), &mut gradient);
    }
    Tensor::from_buffer(shape, gradient)
}

/// Rows of the input that one task of [`input_gradient_of_few_channels`] computes.
const FEW_CHANNELS_BAND: usize = 28;

/// The same for an input of few channels: one product (columns: taps × channels) computes the contribution of
/// each window to each of its pixels, and each pixel sums its contributions.
fn input_gradient_of_few_channels(
    conv: &Conv2d,
    call: &BackwardCall,
    grad_output: &Tensor,
) -> Tensor {
    let shape = call.inputs[0].shape();
    let (_, c, h, w) = feature_map(shape).expect("checked");
    let (_, outputs, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let weight = call.parameters[0].data();
    let filter = conv.kernel.0 * conv.kernel.1 * c;
    let border = conv.border(h, w);
    let columns = windows_over(ow, w, border.left, conv.along_columns());
    let reads = windows_over(oh, h, border.top, conv.along_rows());
    let mut gradient = Buffer::zeroed(call.inputs[0].len());
    gradient
        .par_chunks_mut(h * w * c)
        .enumerate()
        .flat_map(|(n, map)| {
            map.par_chunks_mut(FEW_CHANNELS_BAND * w * c)
                .enumerate()
                .map(move |(index, rows)| (n, index * FEW_CHANNELS_BAND, rows))
        })
        .for_each_init(
            || Buffer::unspecified(0),
            |handed, (n, first, rows)| {
                let height = rows.len() / (w * c);
                let reads = &reads[first..first + height];
                let all = || reads.iter().flatten().map(|&(_, oy)| oy);
                let (Some(low), Some(high)) = (all().min(), all().max()) else {
                    return;
                };
                let count = (high + 1 - low) * ow;
                handed.resize(count * filter);
                matmul(
                    (count, filter, outputs),
                    Matrix::rows(
                        &grad_output.data()[(n * oh + low) * ow * outputs..],
                        outputs,
                    ),
                    Matrix::rows(weight, filter),
                    handed,
                    filter,
                    false,
                );
                for (row, reads) in rows.chunks_exact_mut(w * c).zip(reads) {
                    for (pixel, columns) in row.chunks_exact_mut(c).zip(&columns) {
                        for &(ky, oy) in reads {
                            for &(kx, ox) in columns {
                                let window = ((oy - low) * ow + ox) * filter;
                                let tap = (ky * conv.kernel.1 + kx) * c;
                                let values = &handed[window + tap..][..c];
                                for (p, v) in pixel.iter_mut().zip(values) {
                                    *p += v;
                                }
                            }
                        }
                    }
                }
            },
        );
    Tensor::from_buffer(shape, gradient)
}

#[cfg(test)]
mod tests {
    use super::super::filters::Filters;
    use super::*;

    #[test]
    fn the_backward_pass_uses_the_instructions_of_the_filters() {
        let conv = Conv2d::square(3).stride(2);
        let weight = Tensor::full(&[16, 16, 3, 3], 1.0);
        for set in InstructionSet::available() {
            let filters = Filters::new(set);
            let phases = filters.phases((0, 0), || {
                Phase::all(set, &conv, Border::default(), &weight)
            });
            for panels in phases.iter().flat_map(|phase| &phase.filters) {
                assert_eq!(panels.set(), set);
            }
        }
    }
}
