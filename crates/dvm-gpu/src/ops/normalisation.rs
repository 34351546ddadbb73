//! Normalisations.

use dvm_engine::Tensor;
use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients, Mode};

use super::OnGpu;
use crate::kernels::activation::Activate;
use crate::kernels::copy::filled;
use crate::kernels::pointwise::{Back, PerChannel, activated_back};
use crate::kernels::reduce::channel_sums;
use crate::kernels::rows::{normalised, normalised_back};
use crate::kernels::statistics::{divided, of_batch, slopes};
use crate::values::{Gpu, Values};

/// The distances from the mean of each channel.
fn centred(gpu: &Gpu, x: &Values, mean: &Values) -> Values {
    let (one, minus) = (filled(gpu, mean.len(), 1.0), filled(gpu, mean.len(), -1.0));
    let shift = PerChannel::scaled(&minus).of(gpu, mean);
    let distance = PerChannel {
        shift: Some(&shift),
        ..PerChannel::scaled(&one)
    };
    distance.of(gpu, x)
}

impl OnGpu for BatchNorm {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let x = gpu.of(call.inputs[0]);
        let residual = self.residual.then(|| gpu.of(call.inputs[1]));
        let normalised = |factor: &Values, shift: &Values| {
            let affine = PerChannel {
                shift: Some(shift),
                other: residual.as_ref(),
                activation: self.activation.into(),
                ..PerChannel::scaled(factor)
            };
            affine.of(gpu, &x).tensor(call.output_shape)
        };
        if call.mode == Mode::Inference {
            let (factor, shift): (Vec<f32>, Vec<f32>) = self
                .affine(call.parameters)
                .into_iter()
                .map(|(factor, shift)| (factor as f32, shift as f32))
                .unzip();
            return Some(normalised(&gpu.upload(&factor), &gpu.upload(&shift)).into());
        }
        let channels = call.inputs[0].shape()[1];
        let count = x.len() / channels;
        let sums = channel_sums(gpu, &x, None, channels);
        let distances = centred(gpu, &x, &divided(gpu, &sums, count as f32));
        let squares = channel_sums(gpu, &distances, Some(&distances), channels);
        let parameters: Vec<Values> = call.parameters.iter().map(|p| gpu.of(p)).collect();
        let [weight, bias, mean, variance] = &parameters[..] else {
            return None;
        };
        let batch = of_batch(
            gpu,
            [&sums, &squares],
            [weight, bias, mean, variance],
            (count, self.eps, self.momentum),
        );
        Some(ForwardResult {
            value: normalised(&batch.factor, &batch.shift),
            saved: [batch.mean, batch.inverse]
                .map(|values| values.tensor(&[channels]))
                .into(),
            statistics: batch
                .running
                .map(|values| values.tensor(&[channels]))
                .into(),
        })
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let channels = gradient.shape()[1];
        let x = gpu.of(call.inputs[0]);
        let weight = gpu.of(call.parameters[0]);
        let count = x.len() / channels;
        let g = match self.activation {
            None => gpu.of(gradient),
            // The derivative follows from the value.
            Some(activation) => {
                let values = (&gpu.of(call.output), &gpu.of(gradient));
                activated_back(gpu, values, Activate::from(activation), Back::True)
            }
        };
        let (mean, inverse) = match call.saved {
            [mean, inverse] => (gpu.of(mean), gpu.of(inverse)),
            _ => {
                let variance = call.parameters[3].data().iter();
                let inverse = |&v: &f32| 1.0 / (f64::from(v) + f64::from(self.eps)).sqrt();
                let inverse: Vec<f32> = variance.map(|v| inverse(v) as f32).collect();
                (gpu.of(call.parameters[2]), gpu.upload(&inverse))
            }
        };
        let training = !call.saved.is_empty();
        let wants_parameters = call.wants_parameter.iter().any(|&wanted| wanted);
        let sums = (training || wants_parameters).then(|| {
            let distances = centred(gpu, &x, &mean);
            let sums = channel_sums(gpu, &g, None, channels);
            let products = channel_sums(gpu, &g, Some(&distances), channels);
            let found = slopes(gpu, [&weight, &mean, &inverse], [&sums, &products], count);
            (sums, found)
        });
        let of_input = match &sums {
            Some((_, found)) if training => {
                let through = PerChannel {
                    shift: Some(&found.shift),
                    other: Some(&x),
                    other_factor: Some(&found.slope),
                    ..PerChannel::scaled(&found.factor)
                };
                through.of(gpu, &g)
            }
            _ => {
                let factor = PerChannel::scaled(&inverse).of(gpu, &weight);
                PerChannel::scaled(&factor).of(gpu, &g)
            }
        };
        let shape = gradient.shape();
        let mut inputs = vec![Some(of_input.tensor(shape))];
        if self.residual {
            inputs.push(Some(g.tensor(shape)));
        }
        let mut parameters = vec![None; 4];
        if let Some((sums, found)) = sums {
            let wanted = |index: usize, values: Values| {
                call.wants_parameter[index].then(|| values.tensor(&[channels]))
            };
            parameters[0] = wanted(0, found.of_weight);
            parameters[1] = wanted(1, sums);
        }
        Some(Gradients { inputs, parameters })
    }
}

impl OnGpu for LayerNorm {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let (weight, bias) = (gpu.of(call.parameters[0]), gpu.of(call.parameters[1]));
        let x = gpu.of(call.inputs[0]);
        let row = (weight.len(), self.eps);
        super::value(
            normalised(gpu, &x, Some((&weight, &bias)), row),
            call.output_shape,
        )
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let (x, weight) = (gpu.of(call.inputs[0]), gpu.of(call.parameters[0]));
        let g = gpu.of(gradient);
        let (d, row) = (weight.len(), (weight.len(), self.eps));
        let of_input = call.wants_input[0]
            .then(|| normalised_back(gpu, &x, &weight, &g, row).tensor(gradient.shape()));
        let of_weight = call.wants_parameter[0].then(|| {
            let normal = normalised(gpu, &x, None, row);
            channel_sums(gpu, &g, Some(&normal), d).tensor(&[d])
        });
        let of_bias = call.wants_parameter[1].then(|| channel_sums(gpu, &g, None, d).tensor(&[d]));
        Some(Gradients {
            inputs: vec![of_input],
            parameters: vec![of_weight, of_bias],
        })
    }
}
