//! Concatenation.

use rayon::prelude::*;

use super::layout::{Arrangement, NodeShapes, Reads, SpatialLayout, ValueShape};
use super::strided::{gather, place, strides};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::vectorised;

/// Concatenation along one axis: 1 for the channels, `[N, Cᵢ, …]` to `[N, Σ Cᵢ, …]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    /// The axis, from 0.
    pub axis: usize,
}

impl Concat {
    /// Along the channels.
    pub const CHANNELS: Self = Self { axis: 1 };

    /// Whether the axis is stored innermost, so that consecutive values can be copied.
    fn is_innermost(&self, rank: usize) -> bool {
        self.axis == if rank == 4 { 1 } else { rank - 1 }
    }
}

/// Copies a few values without a call, which would take longer than the copy.
#[inline(always)]
fn copy(to: &mut [f32], from: &[f32]) {
    let (to, rest) = to.as_chunks_mut::<16>();
    let (from, last) = from.as_chunks::<16>();
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    for (to, from) in rest.iter_mut().zip(last) {
        *to = *from;
    }
}

impl Op for Concat {
    fn kind(&self) -> &'static str {
        "concat"
    }

    fn class(&self) -> Class {
        Class::Copying
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        self.joined_layout(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::broadcast(input, node, Some(self.axis))
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let fits = inputs.first().is_some_and(|first| {
            let others = |shape: &[usize]| {
                let mut shape = shape.to_vec();
                shape.remove(self.axis);
                shape
            };
            self.axis < first.len()
                && inputs
                    .iter()
                    .all(|i| i.len() == first.len() && others(i) == others(first))
        });
        if !fits {
            return Err(format!(
                "expects inputs that differ only along axis {}, not {inputs:?}",
                self.axis
            ));
        }
        let mut shape = inputs[0].to_vec();
        shape[self.axis] = inputs.iter().map(|i| i[self.axis]).sum();
        Ok(shape)
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs
            .iter()
            .copied()
            .reduce(Bounds::with)
            .unwrap_or(Bounds::ALL)
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let channels = call.output_shape[self.axis];
        if !self.is_innermost(call.output_shape.len()) {
            return self.joined(call).into();
        }
        let mut output = Buffer::unspecified(call.output_shape.iter().product());
        let rows = (TASK / channels.max(1)).max(1);
        output
            .par_chunks_mut((rows * channels).max(1))
            .enumerate()
            .for_each(|(task, output)| {
                let mut before = 0;
                for input in call.inputs {
                    let c = input.shape()[self.axis];
                    let own = &input.data()[task * rows * c..];
                    vectorised(
                        #[inline(always)]
                        || {
                            let pixels = output.chunks_exact_mut(channels);
                            for (joined, own) in pixels.zip(own.chunks_exact(c)) {
                                copy(&mut joined[before..before + c], own);
                            }
                        },
                    );
                    before += c;
                }
            });
        Tensor::from_buffer(call.output_shape, output).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let channels = grad_output.shape()[self.axis];
        let innermost = self.is_innermost(grad_output.shape().len());
        let steps = strides(grad_output.shape());
        let mut first = 0;
        let mut gradients = Gradients::default();
        for (input, wanted) in call.inputs.iter().zip(call.wants_input) {
            let c = input.shape()[self.axis];
            gradients.inputs.push(wanted.then(|| {
                if !innermost {
                    let base = first * steps[self.axis];
                    return gather(input.shape(), grad_output.data(), base, &steps);
                }
                let mut own = Vec::with_capacity(input.shape().iter().product());
                for joined in grad_output.data().chunks_exact(channels) {
                    own.extend_from_slice(&joined[first..first + c]);
                }
                Tensor::from_stored(input.shape(), own)
            }));
            first += c;
        }
        Ok(gradients)
    }

    fn reach(&self, _: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        if self.axis == 1 && inputs[0].len() == 4 {
            Reach::Pointwise
        } else {
            Reach::Everything
        }
    }
}

impl Concat {
    /// The layout of the first input that has one, after the tokens of the inputs before it.
    fn joined_layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        let at = inputs.iter().position(|input| input.layout.is_some())?;
        let layout = inputs[at].layout?;
        if !layout.axes().contains(&self.axis) {
            return layout.within(shape);
        }
        let tokens: usize = inputs[..at].iter().map(|i| i.shape[self.axis]).sum();
        let arrangement = match layout.arrangement {
            Arrangement::Tokens { before } => Arrangement::Tokens {
                before: before + tokens,
            },
            Arrangement::TokensLast { before } => Arrangement::TokensLast {
                before: before + tokens,
            },
            Arrangement::Map | Arrangement::ChannelsLast => return None,
        };
        layout.arranged(arrangement).within(shape)
    }

    /// Along an axis that is not stored innermost.
    fn joined(&self, call: &ForwardCall) -> Tensor {
        let mut output = Buffer::unspecified(call.output_shape.iter().product());
        let steps = strides(call.output_shape);
        let mut first = 0;
        for input in call.inputs {
            place(input, &mut output, first * steps[self.axis], &steps);
            first += input.shape()[self.axis];
        }
        Tensor::from_buffer(call.output_shape, output)
    }
}
