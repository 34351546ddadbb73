//! Channel shuffle.

use rayon::prelude::*;

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK, feature_map,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// The channels of feature maps in another order: first the first channel of each of `groups` groups,
/// then the second of each (ShuffleNet, arXiv 1707.01083).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelShuffle {
    /// Number of groups; divides the number of channels.
    pub groups: usize,
}

/// Reads the channels as a matrix of `rows` rows and writes it column by column.
fn transposed(x: &Tensor, rows: usize) -> Tensor {
    let channels = x.shape()[1];
    let columns = channels / rows;
    let mut output = Buffer::unspecified(x.len());
    let pixels = TASK.div_ceil(channels) * channels;
    output
        .par_chunks_mut(pixels)
        .zip(x.data().par_chunks(pixels))
        .for_each(|(output, input)| {
            let pixels = output.chunks_exact_mut(channels);
            for (output, input) in pixels.zip(input.chunks_exact(channels)) {
                if rows == 2 {
                    let (a, b) = input.split_at(columns);
                    for (pair, (a, b)) in output.chunks_exact_mut(2).zip(a.iter().zip(b)) {
                        pair.copy_from_slice(&[*a, *b]);
                    }
                    continue;
                }
                for column in 0..columns {
                    for row in 0..rows {
                        output[column * rows + row] = input[row * columns + column];
                    }
                }
            }
        });
    Tensor::from_buffer(x.shape(), output)
}

impl Op for ChannelShuffle {
    fn kind(&self) -> &'static str {
        "channel_shuffle"
    }

    fn class(&self) -> Class {
        Class::Rearrangement
    }

    fn layout(&self, _: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::of_map(shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [x] = inputs else {
            return Err(format!("expects one input, not {}", inputs.len()));
        };
        let (_, c, _, _) = feature_map(x)?;
        if c == 0 || self.groups == 0 || !c.is_multiple_of(self.groups) {
            return Err(format!("shuffles {} groups, not {c} channels", self.groups));
        }
        Ok(x.to_vec())
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        transposed(call.inputs[0], self.groups).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, _: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let rows = grad_output.shape()[1] / self.groups;
        Ok(Gradients::input(transposed(&grad_output, rows)))
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}
