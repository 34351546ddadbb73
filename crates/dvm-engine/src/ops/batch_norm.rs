//! Batch normalisation.

use rayon::prelude::*;

use super::{Call, Gradients, Mode, Op, Outcome, Reach, Site, TASK, channel_sums_of, vectorised};
use crate::Tensor;
use crate::buffer::Buffer;

/// `(x − mean) / √(variance + eps) · weight + bias` per channel (arXiv 1502.03167) of feature maps
/// `[N, C, H, W]` or rows `[N, C]`; parameters weight, bias, running mean, running variance, all
/// `[C]`.
///
/// In inference mean and variance are the running ones. In training they are those of the batch
/// (variance divided by the count), and the running ones move by `momentum` towards them (there
/// the variance is divided by the count less one), as in PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Added to the variance.
    pub eps: f32,
    /// How far the running statistics move towards those of a batch.
    pub momentum: f32,
}

impl BatchNorm {
    /// `(factor, shift)` per channel such that the output in inference is `x · factor + shift`,
    /// in f64.
    pub(crate) fn affine(&self, parameters: &[&Tensor]) -> Vec<(f64, f64)> {
        let [weight, bias, mean, variance] = parameters else {
            unreachable!("output_shape checked the parameters");
        };
        (0..weight.len())
            .map(|c| {
                let variance = f64::from(variance.data()[c]) + f64::from(self.eps);
                let factor = f64::from(weight.data()[c]) / variance.sqrt();
                let shift = f64::from(bias.data()[c]) - f64::from(mean.data()[c]) * factor;
                (factor, shift)
            })
            .collect()
    }
}

/// `x · factor + shift` with both per channel.
fn scale_and_shift(x: &Tensor, factors: &[f32], shifts: &[f32]) -> Tensor {
    let channels = factors.len();
    let rows = TASK.div_ceil(channels);
    let mut output = Buffer::stale(x.len());
    output
        .par_chunks_mut(rows * channels)
        .zip(x.data().par_chunks(rows * channels))
        .for_each(|(output, input)| {
            vectorised(
                #[inline(always)]
                || {
                    for (output, input) in output
                        .chunks_exact_mut(channels)
                        .zip(input.chunks_exact(channels))
                    {
                        for (((o, &i), &f), &s) in
                            output.iter_mut().zip(input).zip(factors).zip(shifts)
                        {
                            *o = i * f + s;
                        }
                    }
                },
            );
        });
    Tensor::from_buffer(x.shape(), output)
}

impl Op for BatchNorm {
    fn kind(&self) -> &'static str {
        "batch_norm"
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        let [x] = inputs else {
            return Err(format!("takes one input, not {}", inputs.len()));
        };
        if !matches!(x.len(), 2 | 4) {
            return Err(format!("takes [N, C, H, W] or [N, C], not {x:?}"));
        }
        if parameters.len() != 4 || parameters.iter().any(|p| *p != [x[1]]) {
            return Err(format!(
                "takes weight, bias, mean and variance of [{}], not {parameters:?}",
                x[1]
            ));
        }
        Ok(x.to_vec())
    }

    fn forward(&self, call: &Call) -> Outcome {
        let x = call.inputs[0];
        let split = |pairs: Vec<(f64, f64)>| -> (Vec<f32>, Vec<f32>) {
            pairs.into_iter().map(|(f, s)| (f as f32, s as f32)).unzip()
        };
        if call.mode == Mode::Inference {
            let (factors, shifts) = split(self.affine(call.parameters));
            return scale_and_shift(x, &factors, &shifts).into();
        }
        let channels = x.shape()[1];
        let count = (x.len() / channels) as f64;
        let mean: Vec<f64> = channel_sums_of(x, &|_, v| f64::from(v))
            .into_iter()
            .map(|sum| sum / count)
            .collect();
        let variance: Vec<f64> = channel_sums_of(x, &|at, v| {
            let d = f64::from(v) - mean[at % channels];
            d * d
        })
        .into_iter()
        .map(|sum| sum / count)
        .collect();
        let inverse: Vec<f64> = variance
            .iter()
            .map(|v| 1.0 / (v + f64::from(self.eps)).sqrt())
            .collect();
        let (factors, shifts) = split(
            (0..channels)
                .map(|c| {
                    let factor = f64::from(call.parameters[0].data()[c]) * inverse[c];
                    (
                        factor,
                        f64::from(call.parameters[1].data()[c]) - mean[c] * factor,
                    )
                })
                .collect(),
        );
        let momentum = f64::from(self.momentum);
        let moved = |running: &Tensor, batch: &[f64], correction: f64| {
            let values = running
                .data()
                .iter()
                .zip(batch)
                .map(|(&r, b)| ((1.0 - momentum) * f64::from(r) + momentum * b * correction) as f32)
                .collect();
            Tensor::from_stored(running.shape(), values)
        };
        let single = |values: &[f64]| {
            Tensor::from_stored(&[channels], values.iter().map(|&v| v as f32).collect())
        };
        Outcome {
            value: scale_and_shift(x, &factors, &shifts),
            saved: vec![single(&mean), single(&inverse)],
            statistics: vec![
                moved(call.parameters[2], &mean, 1.0),
                moved(
                    call.parameters[3],
                    &variance,
                    count / (count - 1.0).max(1.0),
                ),
            ],
        }
    }

    fn backward(&self, site: &Site, grad_output: &Tensor) -> Result<Gradients, String> {
        let x = site.inputs[0];
        let channels = x.shape()[1];
        let weight = site.parameters[0].data();
        let (mean, inverse): (Vec<f64>, Vec<f64>) = if let [mean, inverse] = site.saved {
            let wide = |t: &Tensor| t.data().iter().map(|&v| f64::from(v)).collect();
            (wide(mean), wide(inverse))
        } else {
            (0..channels)
                .map(|c| {
                    let variance = f64::from(site.parameters[3].data()[c]) + f64::from(self.eps);
                    (
                        f64::from(site.parameters[2].data()[c]),
                        1.0 / variance.sqrt(),
                    )
                })
                .unzip()
        };
        let mut gradients = Gradients {
            inputs: vec![None],
            parameters: vec![None; 4],
        };
        let training = !site.saved.is_empty();
        let wants_parameters = site.wants_parameter.iter().any(|&w| w);
        let mut bias_gradient = Vec::new();
        let mut weight_gradient = Vec::new();
        if training || wants_parameters {
            bias_gradient = channel_sums_of(grad_output, &|_, g| f64::from(g));
            weight_gradient = channel_sums_of(grad_output, &|at, g| {
                let c = at % channels;
                f64::from(g) * (f64::from(x.data()[at]) - mean[c]) * inverse[c]
            });
        }
        if site.wants_input[0] {
            let factors: Vec<f32> = (0..channels)
                .map(|c| (f64::from(weight[c]) * inverse[c]) as f32)
                .collect();
            gradients.inputs[0] = Some(if training {
                // g·γ/σ − γ/(σ·count)·(Σg + x̂·Σ(g·x̂)): the batch's own statistics depend on x.
                let count = (x.len() / channels) as f64;
                let (slopes, shifts): (Vec<f32>, Vec<f32>) = (0..channels)
                    .map(|c| {
                        let factor = f64::from(weight[c]) * inverse[c] / count;
                        let slope = -factor * weight_gradient[c] * inverse[c];
                        (
                            (slope) as f32,
                            (-factor * bias_gradient[c] - slope * mean[c]) as f32,
                        )
                    })
                    .unzip();
                let own = scale_and_shift(grad_output, &factors, &vec![0.0; channels]);
                let through_statistics = scale_and_shift(x, &slopes, &shifts);
                super::map2(&own, &through_statistics, |a, b| a + b)
            } else {
                scale_and_shift(grad_output, &factors, &vec![0.0; channels])
            });
        }
        let single = |values: &[f64]| {
            Tensor::from_stored(&[channels], values.iter().map(|&v| v as f32).collect())
        };
        if site.wants_parameter[0] {
            gradients.parameters[0] = Some(single(&weight_gradient));
        }
        if site.wants_parameter[1] {
            gradients.parameters[1] = Some(single(&bias_gradient));
        }
        Ok(gradients)
    }

    fn reach(&self, _: usize, _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}
