//! An op that copies its input.

use dvm_engine::Tensor;
use dvm_engine::ops::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use dvm_engine::ops::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Op, Reach};

/// Copies its input, and passes a multiple of the gradient back.
#[derive(Debug)]
pub struct Copying {
    /// The kind of the op, which no other op has.
    pub kind: &'static str,
    /// The factor of the gradient; 1 is right.
    pub back: f32,
}

impl Op for Copying {
    fn kind(&self) -> &'static str {
        self.kind
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

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        Ok(inputs[0].to_vec())
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        call.inputs[0].clone().into()
    }

    fn backward(&self, _: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let values = grad_output.data().iter().map(|g| self.back * g).collect();
        let gradient = Tensor::from_stored(grad_output.shape(), values);
        Ok(Gradients::input(gradient))
    }
}
