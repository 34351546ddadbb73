//! The same values for every input of a batch.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::strided::{spread, summed_to};
use super::{BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;

/// Its only parameter `[1, …]`, repeated N times: a class token. Of its input `[N, …]` only the shape is
/// used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat;

impl Op for Repeat {
    fn kind(&self) -> &'static str {
        "repeat"
    }

    fn class(&self) -> Class {
        Class::Constant
    }

    fn layout(&self, _: &[ValueShape], _: &[usize]) -> Option<SpatialLayout> {
        None
    }

    fn reads(&self, _: usize, _: &NodeShapes) -> Reads {
        Reads::Nothing
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        match (inputs, parameters) {
            ([[n, ..]], [[1, rest @ ..]]) => Ok([&[*n], rest].concat()),
            _ => Err(format!(
                "expects a parameter [1, …] and an input [N, …], not {parameters:?} and {inputs:?}"
            )),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs[0]
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        spread(call.parameters[0], call.output_shape).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let sum = || summed_to(&grad_output, call.parameters[0].shape());
        Ok(Gradients {
            inputs: vec![None],
            parameters: vec![call.wants_parameter[0].then(sum)],
        })
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }
}
