//! Normalisation of each channel by its neighbours.

use rayon::prelude::*;

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK};
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// The local response normalisation of AlexNet: each value of feature maps `[N, C, H, W]` or rows `[N, C]` is
/// divided by `(bias + alpha / size · Σ x²) ^ beta`. The sum is over the `size` channels from `before` before
/// the value's channel to `after` after it; missing channels count as 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNorm {
    /// Number of earlier channels in the sum.
    pub before: usize,
    /// Number of later channels in the sum.
    pub after: usize,
    /// The factor of the mean of squares.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// Added to the mean of squares.
    pub bias: f32,
}

/// The most channels in a window; each value costs as many products.
const MOST_CHANNELS: usize = 4096;

impl LocalResponseNorm {
    /// The channels of a whole window.
    pub fn size(&self) -> usize {
        self.before + self.after + 1
    }

    /// For a row of channels: the divisor of each before the exponent is applied.
    fn sums(&self, x: &[f32], sums: &mut [f32]) {
        let share = self.alpha / self.size() as f32;
        for (channel, sum) in sums.iter_mut().enumerate() {
            let window = channel.saturating_sub(self.before)..x.len().min(channel + self.after + 1);
            let squares: f32 = x[window].iter().map(|x| x * x).sum();
            *sum = self.bias + share * squares;
        }
    }
}

/// The number of channels; 1 or more.
fn channels(shape: &[usize]) -> usize {
    shape[1].max(1)
}

impl Op for LocalResponseNorm {
    fn kind(&self) -> &'static str {
        "local_response_norm"
    }

    fn class(&self) -> Class {
        Class::Normalisation
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let window = self.before.checked_add(self.after);
        match inputs {
            _ if window.is_none_or(|others| others >= MOST_CHANNELS) => Err(format!(
                "has a window of {} channels before and {} after; the limit is {MOST_CHANNELS} channels",
                self.before, self.after
            )),
            [x] if matches!(x.len(), 2 | 4) => Ok(x.to_vec()),
            _ => Err(format!(
                "expects feature maps [N, C, H, W] or rows [N, C], not {inputs:?}"
            )),
        }
    }

    fn multiply_adds(&self, _: &[&[usize]], _: &[&[usize]]) -> usize {
        self.size()
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let c = channels(x.shape());
        let mut output = Buffer::unspecified(x.len());
        let task = TASK.div_ceil(c) * c;
        output
            .par_chunks_mut(task)
            .zip(x.data().par_chunks(task))
            .for_each(|(output, x)| {
                for (output, x) in output.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                    self.sums(x, output);
                    for (o, &x) in output.iter_mut().zip(x) {
                        *o = x * o.powf(-self.beta);
                    }
                }
            });
        Tensor::from_buffer(x.shape(), output).into()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let x = call.inputs[0];
        let c = channels(x.shape());
        let factor = 2.0 * self.alpha * self.beta / self.size() as f32;
        let mut gradient = Buffer::unspecified(x.len());
        let task = TASK.div_ceil(c) * c;
        gradient
            .par_chunks_mut(task)
            .zip(x.data().par_chunks(task))
            .zip(grad_output.data().par_chunks(task))
            .for_each(|((gradient, x), grad)| {
                // The part of the gradient that each channel adds to all channels in its window.
                let (mut sums, mut passed) = (vec![0.0f32; c], vec![0.0f32; c]);
                let rows = x.chunks_exact(c).zip(grad.chunks_exact(c));
                for (gradient, (x, grad)) in gradient.chunks_exact_mut(c).zip(rows) {
                    self.sums(x, &mut sums);
                    for channel in 0..c {
                        let scale = sums[channel].powf(-self.beta);
                        gradient[channel] = grad[channel] * scale;
                        passed[channel] = gradient[channel] * x[channel] / sums[channel];
                    }
                    for (channel, own) in gradient.iter_mut().enumerate() {
                        let readers =
                            channel.saturating_sub(self.after)..c.min(channel + self.before + 1);
                        let sum: f32 = passed[readers].iter().sum();
                        *own -= factor * x[channel] * sum;
                    }
                }
            });
        Ok(Gradients::input(Tensor::from_buffer(x.shape(), gradient)))
    }

    fn reach(&self, _: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        if inputs[0].len() == 4 {
            Reach::Pointwise
        } else {
            Reach::Everything
        }
    }
}
