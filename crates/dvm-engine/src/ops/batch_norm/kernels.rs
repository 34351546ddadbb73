//! Passes over feature maps as stored, pixel by pixel, with one number per channel.
//!
//! The numbers are repeated over a stretch of several pixels, so that loops are long enough for vectors even
//! with few channels. Sums are taken over blocks whose size depends only on the channels: a few dozen values
//! in f32 at a time, added in order in f64.

use rayon::prelude::*;

use super::super::activation::Activation;
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::vectorised;

/// Values of one block: it stays in a core's first-level cache while it is read twice.
const BLOCK: usize = 1 << 13;

/// Values of one task: a few blocks.
const TASK: usize = 1 << 15;

/// Pixels that a loop processes at a time.
fn pixels_per_stretch(channels: usize) -> usize {
    (512 / channels).max(1)
}

/// Numbers per channel, repeated for every value of a stretch.
fn stretched(by_channel: &[f32]) -> Vec<f32> {
    by_channel.repeat(pixels_per_stretch(by_channel.len()))
}

/// A factor and a shift per channel.
pub(super) type Affine = (Vec<f32>, Vec<f32>);

/// Mean and variance (divided by the count) per channel.
pub(super) struct Moments {
    pub count: f64,
    pub mean: Vec<f64>,
    pub variance: Vec<f64>,
}

/// The sums of one block: the sum, a shift, and the sum of squared distances from the shift.
struct BlockMoments {
    count: usize,
    sums: Vec<f64>,
    shifts: Vec<f32>,
    squares: Vec<f64>,
}

/// The sums of a stretch, added by channel.
fn folded(sums: &[f32], channels: usize) -> Vec<f64> {
    let mut folded = vec![0.0; channels];
    for sums in sums.chunks_exact(channels) {
        for (folded, &sum) in folded.iter_mut().zip(sums) {
            *folded += f64::from(sum);
        }
    }
    folded
}

/// Pixels of one block.
fn block_of(channels: usize) -> usize {
    BLOCK.div_ceil(channels * pixels_per_stretch(channels)) * pixels_per_stretch(channels)
}

/// Mean and variance per channel. Each block's squares are summed around approximately the block's mean, so
/// that no precision is lost where the mean is large.
pub(super) fn moments(x: &Tensor) -> Moments {
    let channels = x.shape()[1];
    let count = (x.len() / channels) as f64;
    let blocks: Vec<BlockMoments> = x
        .data()
        .par_chunks(block_of(channels) * channels)
        .with_min_len(TASK / BLOCK)
        .map(|block| {
            let stretch = pixels_per_stretch(channels) * channels;
            let pixels = block.len() / channels;
            let mut partial = vec![0.0f32; stretch];
            sum_stretches(block, &mut partial);
            let sums = folded(&partial, channels);
            let shifts: Vec<f32> = sums
                .iter()
                .map(|sum| (sum / pixels as f64) as f32)
                .collect();
            partial.fill(0.0);
            square_stretches(block, &stretched(&shifts), &mut partial);
            BlockMoments {
                count: pixels,
                sums,
                shifts,
                squares: folded(&partial, channels),
            }
        })
        .collect();
    let mut mean = vec![0.0; channels];
    for block in &blocks {
        for (mean, sum) in mean.iter_mut().zip(&block.sums) {
            *mean += sum;
        }
    }
    mean.iter_mut().for_each(|mean| *mean /= count);
    let mut variance = vec![0.0; channels];
    for block in &blocks {
        let pixels = block.count as f64;
        for (c, variance) in variance.iter_mut().enumerate() {
            let shift = f64::from(block.shifts[c]);
            let (off, rest) = (shift - mean[c], block.sums[c] - pixels * shift);
            *variance += block.squares[c] + 2.0 * off * rest + pixels * off * off;
        }
    }
    variance.iter_mut().for_each(|v| *v = v.max(0.0) / count);
    Moments {
        count,
        mean,
        variance,
    }
}

fn sum_stretches(block: &[f32], sums: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for values in block.chunks(sums.len()) {
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum += value;
                }
            }
        },
    );
}

fn square_stretches(block: &[f32], shifts: &[f32], sums: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for values in block.chunks(sums.len()) {
                for ((sum, &value), &shift) in sums.iter_mut().zip(values).zip(shifts) {
                    let distance = value - shift;
                    *sum += distance * distance;
                }
            }
        },
    );
}

/// `activation(x · factor + shift + residual)`, factor and shift per channel.
pub(super) fn apply(
    x: &Tensor,
    (factors, shifts): &Affine,
    residual: Option<&Tensor>,
    activation: Option<Activation>,
) -> Tensor {
    let task = task_of(factors.len());
    let (factors, shifts) = (stretched(factors), stretched(shifts));
    let stretch = factors.len();
    let mut output = Buffer::unspecified(x.len());
    output
        .par_chunks_mut(task)
        .enumerate()
        .for_each(|(index, output)| {
            let part = index * task..index * task + output.len();
            let x = &x.data()[part.clone()];
            let residual = residual.map(|residual| &residual.data()[part]);
            vectorised(
                #[inline(always)]
                || {
                    // Short loops in sequence, each on values that are still in cache.
                    for (index, output) in output.chunks_mut(stretch).enumerate() {
                        let part = index * stretch..index * stretch + output.len();
                        let affine = factors.iter().zip(&shifts);
                        for ((o, &x), (&f, &s)) in
                            output.iter_mut().zip(&x[part.clone()]).zip(affine)
                        {
                            *o = x * f + s;
                        }
                        if let Some(residual) = residual {
                            for (o, &r) in output.iter_mut().zip(&residual[part]) {
                                *o += r;
                            }
                        }
                        if let Some(activation) = activation {
                            activation.apply(output);
                        }
                    }
                },
            );
        });
    Tensor::from_buffer(x.shape(), output)
}

/// Values of one task: whole stretches.
fn task_of(channels: usize) -> usize {
    let stretch = pixels_per_stretch(channels) * channels;
    TASK.div_ceil(stretch) * stretch
}

/// The output of an activation whose gradient passes only strictly inside its bounds.
pub(super) type Clamped<'a> = Option<(Activation, &'a Tensor)>;

/// The open interval of outputs whose gradient passes.
fn bounds(activation: Activation) -> (f32, f32) {
    match activation {
        Activation::Relu6 => (0.0, 6.0),
        _ => (0.0, f32::INFINITY),
    }
}

/// Keeps gradients whose outputs are inside the bounds, and zeroes the rest.
#[inline(always)]
fn let_through(gradient: &mut [f32], output: &[f32], (low, high): (f32, f32)) {
    for (g, &y) in gradient.iter_mut().zip(output) {
        *g = if y > low && y < high { *g } else { 0.0 };
    }
}

/// `Σ g` and `Σ g · (x − centre)` per channel, where `g` is the gradient that passes the activation.
pub(super) fn sums_back(
    gradient: &Tensor,
    clamped: Clamped,
    x: &Tensor,
    centre: &[f32],
) -> (Vec<f64>, Vec<f64>) {
    let channels = centre.len();
    let centre = stretched(centre);
    let stretch = centre.len();
    let length = block_of(channels) * channels;
    let partial: Vec<(Vec<f64>, Vec<f64>)> = gradient
        .data()
        .par_chunks(length)
        .zip(x.data().par_chunks(length))
        .enumerate()
        .with_min_len(TASK / BLOCK)
        .map(|(block, (gradient, x))| {
            let (mut sums, mut products) = (vec![0.0f32; stretch], vec![0.0f32; stretch]);
            let mut passed = vec![0.0f32; stretch];
            vectorised(
                #[inline(always)]
                || {
                    for (index, (gradient, x)) in
                        gradient.chunks(stretch).zip(x.chunks(stretch)).enumerate()
                    {
                        let mut gradient = gradient;
                        if let Some((activation, output)) = clamped {
                            let passed = &mut passed[..gradient.len()];
                            let first = block * length + index * stretch;
                            let output = &output.data()[first..first + passed.len()];
                            let (low, high) = bounds(activation);
                            let all = passed.iter_mut().zip(gradient).zip(output);
                            for ((passed, &g), &y) in all {
                                *passed = if y > low && y < high { g } else { 0.0 };
                            }
                            gradient = passed;
                        }
                        let sums = sums.iter_mut().zip(&mut products);
                        let centred = x.iter().zip(&centre);
                        for (((sum, product), &g), (&x, &m)) in sums.zip(gradient).zip(centred) {
                            *sum += g;
                            *product += g * (x - m);
                        }
                    }
                },
            );
            (folded(&sums, channels), folded(&products, channels))
        })
        .collect();
    let mut total = (vec![0.0; channels], vec![0.0; channels]);
    for (sums, products) in &partial {
        for c in 0..channels {
            total.0[c] += sums[c];
            total.1[c] += products[c];
        }
    }
    total
}

/// The gradient of the input, given that of the output: `g · factor`, and for batch statistics
/// `+ x · slope + shift`.
pub(super) struct Slopes<'a> {
    pub factors: Vec<f32>,
    pub through_statistics: Option<(&'a Tensor, Affine)>,
}

/// The gradients of the input and, if needed, of the residual. The latter is the gradient with respect to the
/// activation's input.
pub(super) fn apply_back(
    mut gradient: Tensor,
    clamped: Clamped,
    slopes: &Slopes,
    wants_residual: bool,
) -> (Tensor, Option<Tensor>) {
    // The buffer of the output's gradient is reused for the residual's, if that is needed, else for the
    // input's.
    let mut apart = wants_residual.then(|| Buffer::unspecified(gradient.len()));
    let task = task_of(slopes.factors.len());
    let back = Back {
        clamped: clamped.map(|(activation, output)| (bounds(activation), output.data())),
        factors: stretched(&slopes.factors),
        through_statistics: slopes
            .through_statistics
            .as_ref()
            .map(|(x, (slopes, shifts))| (x.data(), stretched(slopes), stretched(shifts))),
    };
    let parts = gradient.data_mut().par_chunks_mut(task).enumerate();
    match &mut apart {
        None => parts.for_each(|(index, gradient)| back.part(index * task, gradient, None)),
        Some(apart) => parts
            .zip(apart.par_chunks_mut(task))
            .for_each(|((index, gradient), apart)| back.part(index * task, gradient, Some(apart))),
    }
    match apart {
        None => (gradient, None),
        Some(own) => (Tensor::from_buffer(gradient.shape(), own), Some(gradient)),
    }
}

/// [`apply_back`] with numbers repeated over a stretch.
struct Back<'a> {
    clamped: Option<((f32, f32), &'a [f32])>,
    factors: Vec<f32>,
    through_statistics: Option<(&'a [f32], Vec<f32>, Vec<f32>)>,
}

impl Back<'_> {
    /// The part of the gradient that starts at `first`.
    fn part(&self, first: usize, gradient: &mut [f32], mut apart: Option<&mut [f32]>) {
        let stretch = self.factors.len();
        vectorised(
            #[inline(always)]
            || {
                for (index, gradient) in gradient.chunks_mut(stretch).enumerate() {
                    let here = index * stretch..index * stretch + gradient.len();
                    let there = first + here.start..first + here.end;
                    if let Some((bounds, output)) = self.clamped {
                        let_through(gradient, &output[there.clone()], bounds);
                    }
                    let own: &mut [f32] = match &mut apart {
                        None => {
                            for (g, &f) in gradient.iter_mut().zip(&self.factors) {
                                *g *= f;
                            }
                            gradient
                        }
                        Some(apart) => {
                            let own = &mut apart[here];
                            let scaled = gradient.iter().zip(&self.factors);
                            for (own, (&g, &f)) in own.iter_mut().zip(scaled) {
                                *own = g * f;
                            }
                            own
                        }
                    };
                    if let Some((x, slopes, shifts)) = &self.through_statistics {
                        let affine = slopes.iter().zip(shifts);
                        for ((g, &x), (&f, &s)) in own.iter_mut().zip(&x[there]).zip(affine) {
                            *g += x * f + s;
                        }
                    }
                }
            },
        );
    }
}
