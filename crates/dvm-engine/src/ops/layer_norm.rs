//! Layer normalisation.

use rayon::prelude::*;

use super::{Call, Gradients, Needs, Op, Outcome, Reach, Site, TASK};
use crate::Tensor;
use crate::buffer::Buffer;

/// `(x − mean) / √(variance + eps) · weight + bias` (arXiv 1607.06450) over the features of each place:
/// the last axis of `[N, D]` and `[N, T, D]`, the channels of feature maps `[N, C, H, W]`. Weight and
/// bias are `[D]`. Mean and variance are summed in f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f32,
}

/// The features of a shape, which lie side by side.
fn features(shape: &[usize]) -> usize {
    match shape {
        [_, c, _, _] => *c,
        _ => shape.last().copied().unwrap_or(0),
    }
}

/// Mean and 1 / √(variance + eps).
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    // Sixteen sums side by side, which the compiler keeps in vectors.
    let sum = |f: &dyn Fn(f64) -> f64| -> f64 {
        let mut sums = [0.0f64; 16];
        let chunks = row.chunks_exact(16);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (sum, &x) in sums.iter_mut().zip(chunk) {
                *sum += f(f64::from(x));
            }
        }
        let rest: f64 = rest.iter().map(|&x| f(f64::from(x))).sum();
        sums.iter().sum::<f64>() + rest
    };
    let count = row.len() as f64;
    let mean = sum(&|x| x) / count;
    let variance = sum(&|x| (x - mean) * (x - mean)) / count;
    (
        mean as f32,
        (1.0 / (variance + f64::from(eps)).sqrt()) as f32,
    )
}

impl Op for LayerNorm {
    fn kind(&self) -> &'static str {
        "layer_norm"
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
                Err(format!("normalises {w} features, not {x:?}"))
            }
            _ => Err(format!(
                "takes [N, D], [N, T, D] or [N, C, H, W], a weight and a bias, not {inputs:?} and \
                 {parameters:?}"
            )),
        }
    }

    fn forward(&self, call: &Call) -> Outcome {
        let x = call.inputs[0];
        let d = features(x.shape());
        let (weight, bias) = (call.parameters[0].data(), call.parameters[1].data());
        let mut output = Buffer::stale(x.len());
        let task = TASK.div_ceil(d) * d;
        output
            .par_chunks_mut(task)
            .zip(x.data().par_chunks(task))
            .for_each(|(output, input)| {
                for (output, row) in output.chunks_exact_mut(d).zip(input.chunks_exact(d)) {
                    let (mean, scale) = moments(row, self.eps);
                    let parameters = weight.iter().zip(bias);
                    for ((o, &x), (&w, &b)) in output.iter_mut().zip(row).zip(parameters) {
                        *o = (x - mean) * scale * w + b;
                    }
                }
            });
        Tensor::from_buffer(x.shape(), output).into()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, site: &Site, grad_output: Tensor) -> Result<Gradients, String> {
        let (x, weight) = (site.inputs[0], site.parameters[0].data());
        let d = weight.len();
        let mut gradients = Gradients {
            inputs: vec![None],
            parameters: vec![None, None],
        };
        if site.wants_input[0] {
            let mut gradient = Buffer::stale(x.len());
            let task = TASK.div_ceil(d) * d;
            gradient
                .par_chunks_mut(task)
                .zip(x.data().par_chunks(task))
                .zip(grad_output.data().par_chunks(task))
                .for_each(|((gradient, x), grad)| {
                    let rows = x.chunks_exact(d).zip(grad.chunks_exact(d));
                    for (gradient, (row, grad)) in gradient.chunks_exact_mut(d).zip(rows) {
                        self.row_gradient(row, grad, weight, gradient);
                    }
                });
            gradients.inputs[0] = Some(Tensor::from_buffer(x.shape(), gradient));
        }
        if site.wants_parameter.iter().any(|&wanted| wanted) {
            let (mut factor, mut shift) = (vec![0.0f64; d], vec![0.0f64; d]);
            for (row, grad) in x
                .data()
                .chunks_exact(d)
                .zip(grad_output.data().chunks_exact(d))
            {
                let (mean, scale) = moments(row, self.eps);
                for (i, (&x, &g)) in row.iter().zip(grad).enumerate() {
                    factor[i] += f64::from(g) * f64::from((x - mean) * scale);
                    shift[i] += f64::from(g);
                }
            }
            let narrowed = |sums: Vec<f64>| {
                let sums = sums.into_iter().map(|sum| sum as f32).collect();
                Some(Tensor::from_stored(&[d], sums))
            };
            gradients.parameters = vec![narrowed(factor), narrowed(shift)];
        }
        Ok(gradients)
    }

    fn reach(&self, _: usize, inputs: &[&[usize]]) -> Reach {
        if inputs[0].len() == 4 {
            Reach::Pointwise
        } else {
            Reach::Everything
        }
    }
}

impl LayerNorm {
    /// `scale · (g·w − mean(g·w) − x̂ · mean(g·w·x̂))`.
    fn row_gradient(&self, row: &[f32], grad: &[f32], weight: &[f32], gradient: &mut [f32]) {
        let (mean, scale) = moments(row, self.eps);
        let (mut sum, mut along) = (0.0f64, 0.0f64);
        for ((&x, &g), &w) in row.iter().zip(grad).zip(weight) {
            let g = f64::from(g * w);
            sum += g;
            along += g * f64::from((x - mean) * scale);
        }
        let count = row.len() as f64;
        let (sum, along) = ((sum / count) as f32, (along / count) as f32);
        let values = row.iter().zip(grad).zip(weight);
        for (gradient, ((&x, &g), &w)) in gradient.iter_mut().zip(values) {
            *gradient = scale * (g * w - sum - (x - mean) * scale * along);
        }
    }
}
