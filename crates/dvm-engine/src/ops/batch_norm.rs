//! Batch normalisation.

mod kernels;

use self::kernels::{Affine, Moments, Slopes, apply, apply_back, moments, sums_back};
use super::activation::Activation;
use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Mode, Needs, Op, Reach,
    check_inputs,
};
use crate::Tensor;

/// `(x − mean) / √(variance + eps) · weight + bias` per channel (arXiv 1502.03167) of feature maps
/// `[N, C, H, W]` or rows `[N, C]`; parameters weight, bias, running mean, running variance, all
/// `[C]`.
///
/// In inference mean and variance are the running ones. In training they are those of the batch
/// (variance divided by the count), and the running ones move by `momentum` towards them (there
/// the variance is divided by the count less one), as in PyTorch.
///
/// After fusion for training it may also add a residual (a second input of the same shape) and apply
/// a ReLU or ReLU6: `activation(batch_norm(x) + residual)`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Added to the variance.
    pub eps: f32,
    /// Share of a batch's statistics in the new running statistics.
    pub momentum: f32,
    /// Whether a second input is added before the activation (set by fusion).
    pub residual: bool,
    /// The activation after it (set by fusion): a function whose derivative follows from its output.
    pub activation: Option<Activation>,
}

impl BatchNorm {
    /// Without fused ops.
    pub fn new(eps: f32, momentum: f32) -> Self {
        Self {
            eps,
            momentum,
            residual: false,
            activation: None,
        }
    }

    /// Whether other ops were fused into it.
    pub(crate) fn is_fused(&self) -> bool {
        self.residual || self.activation.is_some()
    }

    /// `(factor, shift)` per channel such that the output in inference is `x · factor + shift`,
    /// in f64, for its parameters: factor, shift, running mean and variance, `[C]` each.
    ///
    /// # Panics
    /// If there are not four parameters.
    pub fn affine(&self, parameters: &[&Tensor]) -> Vec<(f64, f64)> {
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

impl Op for BatchNorm {
    fn kind(&self) -> &'static str {
        "batch_norm"
    }

    fn class(&self) -> Class {
        Class::Normalisation
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        match shape.len() {
            4 => SpatialLayout::of_map(shape),
            _ => SpatialLayout::unmoved(inputs, shape),
        }
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn is_affine(&self) -> bool {
        self.activation.is_none()
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        check_inputs(inputs, self.residual)?;
        let x = inputs[0];
        if !matches!(x.len(), 2 | 4) {
            return Err(format!("expects [N, C, H, W] or [N, C], not {x:?}"));
        }
        if parameters.len() != 4 || parameters.iter().any(|p| *p != [x[1]]) {
            return Err(format!(
                "expects weight, bias, mean and variance of [{}], not {parameters:?}",
                x[1]
            ));
        }
        if self.residual && inputs[1] != x {
            return Err(format!("cannot add {:?} to its output {x:?}", inputs[1]));
        }
        Ok(x.to_vec())
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let residual = self.residual.then(|| call.inputs[1]);
        let normalised = |pairs: Vec<(f64, f64)>| {
            let affine: Affine = pairs.into_iter().map(|(f, s)| (f as f32, s as f32)).unzip();
            apply(x, &affine, residual, self.activation)
        };
        if call.mode == Mode::Inference {
            return normalised(self.affine(call.parameters)).into();
        }
        let channels = x.shape()[1];
        let Moments {
            count,
            mean,
            variance,
        } = moments(x);
        let inverse: Vec<f64> = variance
            .iter()
            .map(|v| 1.0 / (v + f64::from(self.eps)).sqrt())
            .collect();
        let pairs = (0..channels).map(|c| {
            let factor = f64::from(call.parameters[0].data()[c]) * inverse[c];
            let shift = f64::from(call.parameters[1].data()[c]) - mean[c] * factor;
            (factor, shift)
        });
        let value = normalised(pairs.collect());
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
        ForwardResult {
            value,
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

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            output: self.activation.is_some(),
        }
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let x = call.inputs[0];
        let channels = x.shape()[1];
        let weight = call.parameters[0].data();
        let (mean, inverse): (Vec<f64>, Vec<f64>) = if let [mean, inverse] = call.saved {
            let wide = |t: &Tensor| t.data().iter().map(|&v| f64::from(v)).collect();
            (wide(mean), wide(inverse))
        } else {
            (0..channels)
                .map(|c| {
                    let variance = f64::from(call.parameters[3].data()[c]) + f64::from(self.eps);
                    (
                        f64::from(call.parameters[2].data()[c]),
                        1.0 / variance.sqrt(),
                    )
                })
                .unzip()
        };
        let clamped = self.activation.map(|activation| (activation, call.output));
        let mut gradients = Gradients {
            inputs: vec![None; call.inputs.len()],
            parameters: vec![None; 4],
        };
        let training = !call.saved.is_empty();
        let wants_parameters = call.wants_parameter.iter().any(|&w| w);
        let (mut bias_gradient, mut weight_gradient) = (vec![0.0; channels], vec![0.0; channels]);
        if training || wants_parameters {
            let centre: Vec<f32> = mean.iter().map(|&mean| mean as f32).collect();
            (bias_gradient, weight_gradient) = sums_back(&grad_output, clamped, x, &centre);
            for (sum, inverse) in weight_gradient.iter_mut().zip(&inverse) {
                *sum *= inverse;
            }
        }
        if call.wants_input.iter().any(|&wanted| wanted) {
            // g·γ/σ − γ/(σ·count)·(Σg + x̂·Σ(g·x̂)): the batch statistics depend on x.
            let slopes = training.then(|| {
                let count = (x.len() / channels) as f64;
                let slope = |c: usize| {
                    let factor = f64::from(weight[c]) * inverse[c] / count;
                    let slope = -factor * weight_gradient[c] * inverse[c];
                    (
                        slope as f32,
                        (-factor * bias_gradient[c] - slope * mean[c]) as f32,
                    )
                };
                (0..channels).map(slope).unzip()
            });
            let slopes = Slopes {
                factors: (0..channels)
                    .map(|c| (f64::from(weight[c]) * inverse[c]) as f32)
                    .collect(),
                through_statistics: slopes.map(|affine| (x, affine)),
            };
            let (own, residual) = apply_back(grad_output, clamped, &slopes, self.residual);
            gradients.inputs[0] = Some(own);
            if self.residual {
                gradients.inputs[1] = residual;
            }
        }
        if call.wants_parameter[0] {
            gradients.parameters[0] = Some(single(&weight_gradient));
        }
        if call.wants_parameter[1] {
            gradients.parameters[1] = Some(single(&bias_gradient));
        }
        Ok(gradients)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}

fn single(values: &[f64]) -> Tensor {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    Tensor::from_stored(&[values.len()], values)
}
