//! Addition.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, map2,
};
use crate::Tensor;

/// The sum of two inputs of the same shape.
#[derive(Clone, Copy, Debug)]
pub struct Add;

impl Op for Add {
    fn kind(&self) -> &'static str {
        "add"
    }

    fn class(&self) -> Class {
        Class::Sum
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [a, b] if a == b => Ok(a.to_vec()),
            _ => Err(format!(
                "expects two inputs of the same shape, not {inputs:?}"
            )),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        let sum = |a: Bounds, b: Bounds| a.between(b, |a, b| a + b);
        inputs.iter().copied().reduce(sum).unwrap_or(Bounds::ALL)
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        map2(call.inputs[0], call.inputs[1], |a, b| a + b).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, _: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        Ok(Gradients {
            inputs: vec![Some(grad_output.clone()), Some(grad_output)],
            parameters: Vec::new(),
        })
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}
