//! The input.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;

/// The input of a network, or of a part of one.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// Pictures `[N, C, H, W]` with a fixed number of channels.
    Pictures {
        /// Number of channels.
        channels: usize,
    },
    /// Tokens `[N, T, features]`: the input of a part that begins within a transformer.
    Tokens {
        /// Features of a token.
        features: usize,
    },
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

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match (self, inputs) {
            (Self::Pictures { channels }, [[n, c, h, w]]) if c == channels && n * h * w > 0 => {
                Ok(inputs[0].to_vec())
            }
            (Self::Tokens { features }, [[n, t, d]]) if d == features && n * t > 0 => {
                Ok(inputs[0].to_vec())
            }
            (Self::Pictures { channels }, _) => Err(format!(
                "the network expects [N, {channels}, H, W], not {inputs:?}"
            )),
            (Self::Tokens { features }, _) => Err(format!(
                "this part expects [N, T, {features}], not {inputs:?}"
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
