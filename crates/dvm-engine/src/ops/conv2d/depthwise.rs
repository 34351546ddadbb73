//! Depthwise convolution: one filter per channel, computed directly along the channels.

use rayon::prelude::*;

use super::super::{Call, Site, vectorised};
use super::{Conv2d, feature_map};
use crate::Tensor;

/// The taps of one axis that fall inside an input of `length` pixels, as `(tap, input position)`.
fn inside(
    origin: isize,
    kernel: usize,
    dilation: usize,
    length: usize,
) -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..kernel).filter_map(move |k| {
        let at = origin + (k * dilation) as isize;
        (at >= 0 && at < length as isize).then_some((k, at as usize))
    })
}

/// The convolution with everything that was fused into it.
pub(super) fn forward(conv: &Conv2d, call: &Call) -> Tensor {
    let input = call.inputs[0].data();
    let (_, c, h, w) = feature_map(call.inputs[0].shape()).expect("checked");
    let (n, _, oh, ow) = feature_map(call.output_shape).expect("checked");
    // [kh·kw, C]
    let weights = call
        .prepared
        .expect("a convolution prepares its weights")
        .data();
    let p = conv.border(h, w);
    let mut output = vec![0.0; n * oh * ow * c];
    output
        .par_chunks_mut(ow * c)
        .enumerate()
        .for_each(|(index, values)| {
            let (map, y) = (&input[index / oh * h * w * c..][..h * w * c], index % oh);
            let top = (y * conv.stride.0) as isize - p.top as isize;
            vectorised(
                #[inline(always)]
                || {
                    for (x, pixel) in values.chunks_exact_mut(c).enumerate() {
                        let left = (x * conv.stride.1) as isize - p.left as isize;
                        for (ky, iy) in inside(top, conv.kernel.0, conv.dilation.0, h) {
                            for (kx, ix) in inside(left, conv.kernel.1, conv.dilation.1, w) {
                                let source = &map[(iy * w + ix) * c..][..c];
                                let weight = &weights[(ky * conv.kernel.1 + kx) * c..][..c];
                                for ((o, &i), &k) in pixel.iter_mut().zip(source).zip(weight) {
                                    *o += i * k;
                                }
                            }
                        }
                    }
                },
            );
            let start = index * ow * c;
            conv.finish(call, start..start + ow * c, values);
        });
    Tensor::from_stored(call.output_shape, output)
}

/// The output positions along one axis whose windows hold input position `at`, as `(tap, output)`.
fn windows_over(
    at: usize,
    padding: usize,
    kernel: usize,
    dilation: usize,
    stride: usize,
    outputs: usize,
) -> impl Iterator<Item = (usize, usize)> {
    (0..kernel).filter_map(move |k| {
        let distance = (at + padding).checked_sub(k * dilation)?;
        (distance % stride == 0 && distance / stride < outputs).then(|| (k, distance / stride))
    })
}

/// The gradient with respect to the input.
pub(super) fn input_gradient(conv: &Conv2d, site: &Site, grad_output: &Tensor) -> Tensor {
    let shape = site.inputs[0].shape();
    let (_, c, h, w) = feature_map(shape).expect("checked");
    let (_, _, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let weights = super::super::Op::prepare(conv, site.parameters).expect("weights");
    let weights = weights.data();
    let p = conv.border(h, w);
    let mut gradient = vec![0.0; site.inputs[0].len()];
    gradient
        .par_chunks_mut(w * c)
        .enumerate()
        .for_each(|(index, values)| {
            let (n, y) = (index / h, index % h);
            let map = &grad_output.data()[n * oh * ow * c..][..oh * ow * c];
            vectorised(
                #[inline(always)]
                || {
                    for (x, pixel) in values.chunks_exact_mut(c).enumerate() {
                        for (ky, oy) in windows_over(
                            y,
                            p.top,
                            conv.kernel.0,
                            conv.dilation.0,
                            conv.stride.0,
                            oh,
                        ) {
                            for (kx, ox) in windows_over(
                                x,
                                p.left,
                                conv.kernel.1,
                                conv.dilation.1,
                                conv.stride.1,
                                ow,
                            ) {
                                let source = &map[(oy * ow + ox) * c..][..c];
                                let weight = &weights[(ky * conv.kernel.1 + kx) * c..][..c];
                                for ((o, &g), &k) in pixel.iter_mut().zip(source).zip(weight) {
                                    *o += g * k;
                                }
                            }
                        }
                    }
                },
            );
        });
    Tensor::from_stored(shape, gradient)
}

/// The gradient with respect to the weights, `[C, 1, kh, kw]`. Each map of the batch gives a
/// partial sum; these are added in order, so the result does not depend on the threads.
pub(super) fn weight_gradient(conv: &Conv2d, site: &Site, grad_output: &Tensor) -> Tensor {
    let input = site.inputs[0].data();
    let (n, c, h, w) = feature_map(site.inputs[0].shape()).expect("checked");
    let (_, _, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    let p = conv.border(h, w);
    let taps = conv.kernel.0 * conv.kernel.1;
    let partial: Vec<Vec<f32>> = (0..n)
        .into_par_iter()
        .map(|map| {
            let mut sums = vec![0.0; taps * c];
            for y in 0..oh {
                let top = (y * conv.stride.0) as isize - p.top as isize;
                vectorised(
                    #[inline(always)]
                    || {
                        for x in 0..ow {
                            let left = (x * conv.stride.1) as isize - p.left as isize;
                            let grad = &grad_output.data()[((map * oh + y) * ow + x) * c..][..c];
                            for (ky, iy) in inside(top, conv.kernel.0, conv.dilation.0, h) {
                                for (kx, ix) in inside(left, conv.kernel.1, conv.dilation.1, w) {
                                    let source = &input[((map * h + iy) * w + ix) * c..][..c];
                                    let sum = &mut sums[(ky * conv.kernel.1 + kx) * c..][..c];
                                    for ((s, &i), &g) in sum.iter_mut().zip(source).zip(grad) {
                                        *s += i * g;
                                    }
                                }
                            }
                        }
                    },
                );
            }
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
