//! Gradients of an ordinary (not depthwise) convolution.

use rayon::prelude::*;

use super::super::Site;
use super::super::matmul::{Matrix, matmul};
use super::gather::{Gather, block_rows};
use super::{Border, Conv2d, feature_map};
use crate::Tensor;
use crate::buffer::Buffer;

/// One of the `stride × stride` interleaved sub-lattices of the input. Within it every pixel
/// meets the same taps of the kernel, so its gradient is a stride-1 convolution of the output's
/// gradient with those taps: nothing is scattered, and no product with an inserted zero is made.
struct Phase {
    /// Row and column of the phase's first pixel.
    origin: (usize, usize),
    /// Offsets into the gradient of the output.
    taps: Vec<(isize, isize)>,
    /// Group after group, `[taps · O / groups, I]`.
    weights: Vec<f32>,
}

fn phases(conv: &Conv2d, border: Border, weight: &Tensor) -> Vec<Phase> {
    let &[outputs, inputs, kh, kw] = weight.shape() else {
        unreachable!("output_shape checked the rank");
    };
    let group_out = outputs / conv.groups;
    // The taps that fall on phase `origin` along one axis, as (offset, tap), ascending by offset
    // so that neighbours are gathered as one run.
    let along = |origin: usize, kernel: usize, padding: usize, dilation: usize, stride: usize| {
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
    let mut phases = Vec::new();
    for qy in 0..conv.stride.0 {
        let ys = along(qy, kh, border.top, conv.dilation.0, conv.stride.0);
        for qx in 0..conv.stride.1 {
            let xs = along(qx, kw, border.left, conv.dilation.1, conv.stride.1);
            let mut taps = Vec::new();
            let mut weights = Vec::new();
            for group in 0..conv.groups {
                for &(dy, ky) in &ys {
                    for &(dx, kx) in &xs {
                        if group == 0 {
                            taps.push((dy, dx));
                        }
                        for o in group * group_out..(group + 1) * group_out {
                            let start = ((o * kh + ky) * kw + kx) * inputs;
                            weights.extend_from_slice(&weight.data()[start..start + inputs]);
                        }
                    }
                }
            }
            phases.push(Phase {
                origin: (qy, qx),
                taps,
                weights,
            });
        }
    }
    phases
}

/// The gradient with respect to the input.
pub(super) fn input_gradient(conv: &Conv2d, site: &Site, grad_output: &Tensor) -> Tensor {
    let shape = site.inputs[0].shape();
    let (_, c, h, w) = feature_map(shape).expect("checked");
    let (_, outputs, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let (group_in, group_out) = (c / conv.groups, outputs / conv.groups);
    let phases = phases(conv, conv.border(h, w), site.parameters[0]);
    let (sy, sx) = conv.stride;
    // A task is a band of whole rows of one map: `band` rows of each phase's lattice.
    let columns = w.div_ceil(sx);
    let depth = phases.iter().map(|p| p.taps.len()).max().unwrap_or(0) * group_out;
    let band = (block_rows(depth.max(1)) / columns).clamp(1, h.div_ceil(sy).div_ceil(2).max(1));
    let mut gradient = Buffer::zeroed(site.inputs[0].len());
    gradient
        .par_chunks_mut(h * w * c)
        .enumerate()
        .flat_map(|(n, map)| {
            map.par_chunks_mut(band * sy * w * c)
                .enumerate()
                .map(move |(index, rows)| (n, index * band, rows))
        })
        .for_each_init(
            || (Buffer::stale(0), Buffer::stale(0)),
            |(scratch, product), (n, first, rows)| {
                let height = rows.len() / (w * c);
                for phase in &phases {
                    let (qy, qx) = phase.origin;
                    if qy >= height || qx >= w || phase.taps.is_empty() {
                        continue;
                    }
                    let lattice = ((height - qy).div_ceil(sy), (w - qx).div_ceil(sx));
                    // The band's lattice starts `first` rows down: its taps do, too.
                    let taps: Vec<(isize, isize)> = phase
                        .taps
                        .iter()
                        .map(|&(dy, dx)| (dy + first as isize, dx))
                        .collect();
                    let count = lattice.0 * lattice.1;
                    for group in 0..conv.groups {
                        let gather = Gather {
                            input: &grad_output.data()[n * oh * ow * outputs..]
                                [..oh * ow * outputs],
                            map: (oh, ow, outputs),
                            channels: group * group_out..(group + 1) * group_out,
                            lattice,
                            step: (1, 1),
                            taps: &taps,
                        };
                        let depth = gather.depth();
                        let weights =
                            &phase.weights[group * depth * group_in..][..depth * group_in];
                        product.resize(count * group_in);
                        matmul(
                            (count, group_in, depth),
                            Matrix::rows(gather.rows(0..count, scratch), depth),
                            Matrix::rows(weights, group_in),
                            product,
                            group_in,
                            false,
                        );
                        for (pixel, values) in product.chunks_exact(group_in).enumerate() {
                            let y = pixel / lattice.1 * sy + qy;
                            let x = pixel % lattice.1 * sx + qx;
                            let at = (y * w + x) * c + group * group_in;
                            rows[at..at + group_in].copy_from_slice(values);
                        }
                    }
                }
            },
        );
    Tensor::from_buffer(shape, gradient)
}

/// Rows of the weight gradient that one task sums.
const FILTERS: usize = 16;

/// The gradient with respect to the weights, `[O, I, kh, kw]`: for each group one product
/// `gradᵀ · panel` over all pixels of the batch, summed block after block.
pub(super) fn weight_gradient(conv: &Conv2d, site: &Site, grad_output: &Tensor) -> Tensor {
    let input = site.inputs[0];
    let (n, c, h, w) = feature_map(input.shape()).expect("checked");
    let (_, outputs, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let (group_in, group_out) = (c / conv.groups, outputs / conv.groups);
    let taps = conv.taps(conv.border(h, w));
    let depth = taps.len() * group_in;
    let windows = n * oh * ow;
    let mut gradient = vec![0.0; outputs * depth];
    let rows = 2 * block_rows(depth);
    let mut panel = Buffer::stale(rows.min(windows) * depth);
    for (group, gradient) in gradient.chunks_exact_mut(group_out * depth).enumerate() {
        let gather = Gather {
            input: input.data(),
            map: (h, w, c),
            channels: group * group_in..(group + 1) * group_in,
            lattice: (oh, ow),
            step: conv.stride,
            taps: &taps,
        };
        for first in (0..windows).step_by(rows) {
            let count = rows.min(windows - first);
            let slice = count.div_ceil(16);
            panel[..count * depth]
                .par_chunks_mut(slice * depth)
                .enumerate()
                .for_each_init(
                    || Buffer::stale(0),
                    |scratch, (index, part)| {
                        let first = first + index * slice;
                        part.copy_from_slice(
                            gather.rows(first..first + part.len() / depth, scratch),
                        );
                    },
                );
            gradient
                .par_chunks_mut(FILTERS * depth)
                .enumerate()
                .for_each(|(index, part)| {
                    let filters = part.len() / depth;
                    let start = first * outputs + group * group_out + index * FILTERS;
                    matmul(
                        (filters, depth, count),
                        Matrix::rows(&grad_output.data()[start..], outputs).transposed(),
                        Matrix::rows(&panel[..count * depth], depth),
                        part,
                        depth,
                        true,
                    );
                });
        }
    }
    Tensor::from_stored(site.parameters[0].shape(), gradient)
}
