//! Layer normalisation.

use rayon::prelude::*;

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::vectorised;

/// `(x − mean) / √(variance + eps) · weight + bias` (arXiv 1607.06450) over the features of each
/// position: the last axis of `[N, D]` and `[N, T, D]`, the channels of feature maps `[N, C, H, W]`.
/// Weight and bias are `[D]`. Mean and variance are summed in f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f32,
}

/// The number of features, which are adjacent in memory.
fn features(shape: &[usize]) -> usize {
    match shape {
        [_, c, _, _] => *c,
        _ => shape.last().copied().unwrap_or(0),
    }
}

/// Number of partial sums, which the compiler keeps in vectors.
const LANES: usize = 16;

/// The sum of `f` over all positions up to `count`, in f64.
#[inline(always)]
fn sum(count: usize, f: impl Fn(usize) -> f64) -> f64 {
    let mut sums = [0.0f64; LANES];
    let whole = count / LANES * LANES;
    for first in (0..whole).step_by(LANES) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += f(first + lane);
        }
    }
    sums.into_iter().sum::<f64>() + (whole..count).map(f).sum::<f64>()
}

/// Mean and 1 / √(variance + eps).
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let count = row.len() as f64;
    let mean = sum(row.len(), |i| f64::from(row[i])) / count;
    let variance = sum(row.len(), |i| (f64::from(row[i]) - mean).powi(2)) / count;
    (
        mean as f32,
        (1.0 / (variance + f64::from(eps)).sqrt()) as f32,
    )
}

/// Rows in one partial sum.
const SUMMED_ROWS: usize = 64;

impl Op for LayerNorm {
    fn kind(&self) -> &'static str {
        "layer_norm"
    }

    fn class(&self) -> Class {
        Class::Normalisation
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_token(self, input, node)
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        match (inputs, parameters) {
            ([x], [[w], [b]]) if (2..=4).contains(&x.len()) && *w > 0 && w == b => {
                if features(x) == *w {
                    return Ok(x.to_vec());
                }
                Err(format!("expects {w} features, not {x:?}"))
            }
            _ => Err(format!(
                "expects [N, D], [N, T, D] or [N, C, H, W], a weight and a bias, not {inputs:?} and \
                 {parameters:?}"
            )),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let d = features(x.shape());
        let (weight, bias) = (call.parameters[0].data(), call.parameters[1].data());
        let mut output = Buffer::unspecified(x.len());
        let task = TASK.div_ceil(d) * d;
        output
            .par_chunks_mut(task)
            .zip(x.data().par_chunks(task))
            .for_each(|(output, input)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let rows = output.chunks_exact_mut(d).zip(input.chunks_exact(d));
                        for (output, row) in rows {
                            let (mean, scale) = moments(row, self.eps);
                            let parameters = weight.iter().zip(bias);
                            for ((o, &x), (&w, &b)) in output.iter_mut().zip(row).zip(parameters) {
                                *o = (x - mean) * scale * w + b;
                            }
                        }
                    },
                );
            });
        Tensor::from_buffer(x.shape(), output).into()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let (x, weight) = (call.inputs[0], call.parameters[0].data());
        let d = weight.len();
        let mut gradients = Gradients {
            inputs: vec![None],
            parameters: vec![None, None],
        };
        if call.wants_input[0] {
            let mut gradient = Buffer::unspecified(x.len());
            let task = TASK.div_ceil(d) * d;
            gradient
                .par_chunks_mut(task)
                .zip(x.data().par_chunks(task))
                .zip(grad_output.data().par_chunks(task))
                .for_each(|((gradient, x), grad)| {
                    vectorised(
                        #[inline(always)]
                        || {
                            let rows = x.chunks_exact(d).zip(grad.chunks_exact(d));
                            for (gradient, (row, grad)) in gradient.chunks_exact_mut(d).zip(rows) {
                                self.row_gradient(row, grad, weight, gradient);
                            }
                        },
                    );
                });
            gradients.inputs[0] = Some(Tensor::from_buffer(x.shape(), gradient));
        }
        if call.wants_parameter.iter().any(|&wanted| wanted) {
            gradients.parameters = self.parameter_gradients(x, &grad_output, d);
        }
        Ok(gradients)
    }

    fn reach(&self, _: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        if inputs[0].len() == 4 {
            Reach::Pointwise
        } else {
            Reach::Everything
        }
    }
}

impl LayerNorm {
    /// `scale · (g·w − mean(g·w) − x̂ · mean(g·w·x̂))`.
    #[inline(always)]
    fn row_gradient(&self, row: &[f32], grad: &[f32], weight: &[f32], gradient: &mut [f32]) {
        let (mean, scale) = moments(row, self.eps);
        let count = row.len();
        let (grad, weight) = (&grad[..count], &weight[..count]);
        let own = |i: usize| f64::from(grad[i] * weight[i]);
        let along = |i: usize| own(i) * f64::from((row[i] - mean) * scale);
        let along = (sum(count, along) / count as f64) as f32;
        let sum = (sum(count, own) / count as f64) as f32;
        let values = row.iter().zip(grad).zip(weight);
        for (gradient, ((&x, &g), &w)) in gradient.iter_mut().zip(values) {
            *gradient = scale * (g * w - sum - (x - mean) * scale * along);
        }
    }

    /// The gradients of weight and bias: partial sums of a fixed number of rows, added in order.
    fn parameter_gradients(&self, x: &Tensor, grad: &Tensor, d: usize) -> Vec<Option<Tensor>> {
        let rows = x.data().par_chunks(SUMMED_ROWS * d);
        let partial: Vec<(Vec<f64>, Vec<f64>)> = rows
            .zip(grad.data().par_chunks(SUMMED_ROWS * d))
            .map(|(x, grad)| {
                let (mut factor, mut shift) = (vec![0.0f64; d], vec![0.0f64; d]);
                vectorised(
                    #[inline(always)]
                    || {
                        for (row, grad) in x.chunks_exact(d).zip(grad.chunks_exact(d)) {
                            let (mean, scale) = moments(row, self.eps);
                            let sums = factor.iter_mut().zip(&mut shift);
                            for ((&x, &g), (factor, shift)) in row.iter().zip(grad).zip(sums) {
                                *factor += f64::from(g) * f64::from((x - mean) * scale);
                                *shift += f64::from(g);
                            }
                        }
                    },
                );
                (factor, shift)
            })
            .collect();
        let (factors, shifts): (Vec<_>, Vec<_>) = partial.into_iter().unzip();
        let added = |sums: Vec<Vec<f64>>| {
            let mut total = vec![0.0f64; d];
            for sums in sums {
                let pairs = total.iter_mut().zip(sums);
                pairs.for_each(|(total, sum)| *total += sum);
            }
            let total = total.into_iter().map(|sum| sum as f32).collect();
            Some(Tensor::from_stored(&[d], total))
        };
        vec![added(factors), added(shifts)]
    }
}
