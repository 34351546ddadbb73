//! Flattening.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;

/// `[N, …]` as `[N, D]`, in row-major order of the shape. Feature maps are flattened channel by channel, as
/// in PyTorch, although they are stored channels last.
#[derive(Clone, Copy, Debug)]
pub struct Flatten;

impl Op for Flatten {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn class(&self) -> Class {
        Class::Rearrangement
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        inputs[0].layout?.reshaped(inputs[0].shape, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::moved(input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [[n, rest @ ..]] => Ok(vec![*n, rest.iter().product()]),
            _ => Err(format!("expects one input [N, …], not {inputs:?}")),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs[0]
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        Tensor::from_stored(call.output_shape, call.inputs[0].to_nchw()).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        Ok(Gradients::input(Tensor::from_nchw(
            call.inputs[0].shape(),
            grad_output.data(),
        )))
    }
}
