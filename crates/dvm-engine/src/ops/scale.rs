//! A learned factor for each channel.

use rayon::prelude::*;

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK,
    channel_sums_of,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// Feature maps `[N, C, H, W]` times one factor per channel, a parameter `[C, 1, 1]` (the layer scale of
/// arXiv 2103.17239).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale;

fn scaled(x: &Tensor, factors: &Tensor) -> Tensor {
    let c = factors.len();
    let mut output = Buffer::unspecified(x.len());
    let task = TASK.div_ceil(c) * c;
    output
        .par_chunks_mut(task)
        .zip(x.data().par_chunks(task))
        .for_each(|(output, x)| {
            for (output, x) in output.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                for ((o, &x), &factor) in output.iter_mut().zip(x).zip(factors.data()) {
                    *o = x * factor;
                }
            }
        });
    Tensor::from_buffer(x.shape(), output)
}

impl Op for Scale {
    fn kind(&self) -> &'static str {
        "scale"
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

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        match (inputs, parameters) {
            ([[n, c, h, w]], [[factors, 1, 1]]) if c == factors && *c > 0 => {
                Ok(vec![*n, *c, *h, *w])
            }
            _ => Err(format!(
                "expects [N, C, H, W] and factors [C, 1, 1], not {inputs:?} and {parameters:?}"
            )),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        scaled(call.inputs[0], call.parameters[0]).into()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let (x, factors) = (call.inputs[0], call.parameters[0]);
        let input = call.wants_input[0].then(|| scaled(&grad_output, factors));
        let parameter = call.wants_parameter[0].then(|| {
            let sums =
                channel_sums_of(x, &|at, x| f64::from(x) * f64::from(grad_output.data()[at]));
            let sums = sums.into_iter().map(|sum| sum as f32).collect();
            Tensor::from_stored(factors.shape(), sums)
        });
        Ok(Gradients {
            inputs: vec![input],
            parameters: vec![parameter],
        })
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}
