//! A linear layer with a residual and an activation.

use super::super::activation::Activation;
use super::super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::super::{
    BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Op, Prepared, Reach, check_inputs,
};
use super::{Linear, computed};
use crate::Tensor;

/// [`Linear`] that also adds a residual (a second input of the output's shape) and applies an activation:
/// `activation(x · Wᵀ + b + residual)`. Fusion makes it; it has no backward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FusedLinear {
    /// Whether a second input is added before the activation.
    pub residual: bool,
    /// The activation after it.
    pub activation: Option<Activation>,
}

impl Op for FusedLinear {
    fn kind(&self) -> &'static str {
        Linear.kind()
    }

    fn class(&self) -> Class {
        Class::Linear
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
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
        let output = Linear.output_shape(&inputs[..1], parameters)?;
        if self.residual && inputs[1] != output {
            return Err(format!(
                "cannot add {:?} to its output {output:?}",
                inputs[1]
            ));
        }
        Ok(output)
    }

    fn prepare(&self) -> Option<Prepared> {
        Linear.prepare()
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        computed(call, self.activation)
    }

    fn multiply_adds(&self, inputs: &[&[usize]], parameters: &[&[usize]]) -> usize {
        Linear.multiply_adds(inputs, parameters)
    }

    fn backward(&self, _: &BackwardCall, _: Tensor) -> Result<Gradients, String> {
        Err("is fused for inference and has no backward pass; use the graph before fusion".into())
    }

    fn reach(&self, input: usize, inputs: &[&[usize]], parameters: &[&[usize]]) -> Reach {
        Linear.reach(input, inputs, parameters)
    }
}
