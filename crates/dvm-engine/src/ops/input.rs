//! The input.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;

/// The input of a network: pictures `[N, C, H, W]` with a fixed number of channels.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// Number of channels.
    pub channels: usize,
}

/// The input of a part of a network that begins with tokens `[N, T, features]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence {
    /// Features of a token.
    pub features: usize,
}

impl Op for Sequence {
    fn kind(&self) -> &'static str {
        "input"
    }

    fn class(&self) -> Class {
        Class::Input
    }

    fn layout(&self, _: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::of_map(shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn is_affine(&self) -> bool {
        true
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [[n, t, d]] if *d == self.features && n * t > 0 => Ok(inputs[0].to_vec()),
            _ => Err(format!(
                "this part expects [N, T, {}], not {inputs:?}",
                self.features
            )),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        call.inputs[0].clone().into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, _: &BackwardCall, _: Tensor) -> Result<Gradients, String> {
        Ok(Gradients::default())
    }
}

impl Op for Input {
    fn kind(&self) -> &'static str {
        "input"
    }

    fn class(&self) -> Class {
        Class::Input
    }

    fn layout(&self, _: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::of_map(shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn is_affine(&self) -> bool {
        true
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [[n, c, h, w]] if *c == self.channels && n * h * w > 0 => Ok(inputs[0].to_vec()),
            _ => Err(format!(
                "the network expects [N, {}, H, W], not {inputs:?}",
                self.channels
            )),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        call.inputs[0].clone().into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, _: &BackwardCall, _: Tensor) -> Result<Gradients, String> {
        Ok(Gradients::default())
    }
}
