//! Flattening.

use super::{BackwardCall, Bounds, ForwardCall, ForwardResult, Gradients, Needs, Op};
use crate::Tensor;

/// `[N, …]` as `[N, D]`, in row-major order of the named shape (so feature maps flatten channel
/// by channel, as PyTorch's do, although they are stored channels last).
#[derive(Clone, Copy, Debug)]
pub struct Flatten;

impl Op for Flatten {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [[n, rest @ ..]] => Ok(vec![*n, rest.iter().product()]),
            _ => Err(format!("takes one input [N, …], not {inputs:?}")),
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
