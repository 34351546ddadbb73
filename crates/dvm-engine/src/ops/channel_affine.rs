//! A fixed factor and shift for each channel.

use rayon::prelude::*;

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK,
    feature_map,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// `x · factor + shift` with a constant pair per channel of feature maps: a normalisation that is part of the
/// network (torchvision's `transform_input`).
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelAffine {
    /// `[C]`
    pub factor: Vec<f32>,
    /// `[C]`
    pub shift: Vec<f32>,
}

impl ChannelAffine {
    fn run(&self, x: &Tensor, f: impl Fn(f32, f32, f32) -> f32 + Sync) -> Tensor {
        let channels = self.factor.len();
        let mut output = Buffer::unspecified(x.len());
        let task = TASK.div_ceil(channels) * channels;
        output
            .par_chunks_mut(task)
            .zip(x.data().par_chunks(task))
            .for_each(|(output, input)| {
                let pixels = output.chunks_exact_mut(channels);
                for (output, input) in pixels.zip(input.chunks_exact(channels)) {
                    let pairs = self.factor.iter().zip(&self.shift);
                    for ((o, &x), (&factor, &shift)) in output.iter_mut().zip(input).zip(pairs) {
                        *o = f(x, factor, shift);
                    }
                }
            });
        Tensor::from_buffer(x.shape(), output)
    }
}

impl Op for ChannelAffine {
    fn kind(&self) -> &'static str {
        "channel_affine"
    }

    fn class(&self) -> Class {
        Class::Arithmetic
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn is_affine(&self) -> bool {
        true
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [x] = inputs else {
            return Err(format!("expects one input, not {}", inputs.len()));
        };
        let (_, c, _, _) = feature_map(x)?;
        if c == 0 || c != self.factor.len() || c != self.shift.len() {
            let known = (self.factor.len(), self.shift.len());
            return Err(format!(
                "has {known:?} factors and shifts, but {c} channels"
            ));
        }
        Ok(x.to_vec())
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        let scaled = inputs[0].between(Bounds::of(&self.factor), |x, factor| x * factor);
        scaled.between(Bounds::of(&self.shift), |x, shift| x + shift)
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        self.run(call.inputs[0], |x, factor, shift| x * factor + shift)
            .into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, _: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let gradient = self.run(&grad_output, |g, factor, _| g * factor);
        Ok(Gradients::input(gradient))
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}
