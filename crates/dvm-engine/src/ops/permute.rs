//! Axes in another order.

use super::layout::{Arrangement, NodeShapes, Reads, SpatialLayout, ValueShape};
use super::strided::{gather, strides};
use super::{BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;

/// Axis `i` of the output is axis `axes[i]` of the input. The batch axis may move, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permute {
    /// Each axis of the input once.
    pub axes: Vec<usize>,
}

impl Op for Permute {
    fn kind(&self) -> &'static str {
        "permute"
    }

    fn class(&self) -> Class {
        Class::Rearrangement
    }

    fn layout(&self, inputs: &[ValueShape], _: &[usize]) -> Option<SpatialLayout> {
        let layout = inputs[0].layout?;
        let arrangement = match (layout.arrangement, &self.axes[..]) {
            (any, axes) if axes.iter().copied().eq(0..axes.len()) => any,
            (Arrangement::Map, [0, 2, 3, 1]) => Arrangement::ChannelsLast,
            (Arrangement::ChannelsLast, [0, 3, 1, 2]) => Arrangement::Map,
            (Arrangement::Tokens { before }, [0, 2, 1]) => Arrangement::TokensLast { before },
            (Arrangement::TokensLast { before }, [0, 2, 1]) => Arrangement::Tokens { before },
            _ => return None,
        };
        Some(layout.arranged(arrangement))
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::moved(input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        match inputs {
            [x] if sorted.iter().copied().eq(0..x.len()) => {
                Ok(self.axes.iter().map(|&axis| x[axis]).collect())
            }
            _ => Err(format!(
                "cannot permute the axes {:?} of {inputs:?}",
                self.axes
            )),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs[0]
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let own = strides(x.shape());
        let steps: Vec<usize> = self.axes.iter().map(|&axis| own[axis]).collect();
        gather(call.output_shape, x.data(), 0, &steps).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let own = strides(grad_output.shape());
        let mut steps = vec![0; own.len()];
        for (to, &from) in self.axes.iter().enumerate() {
            steps[from] = own[to];
        }
        let shape = call.inputs[0].shape();
        Ok(Gradients::input(gather(
            shape,
            grad_output.data(),
            0,
            &steps,
        )))
    }
}
