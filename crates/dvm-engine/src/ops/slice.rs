//! A part of a tensor along one axis.

use super::layout::{Arrangement, NodeShapes, Reads, SpatialLayout, Steps, ValueShape};
use super::strided::{gather, place, strides};
use super::{BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// The positions `start`, `start + step`, … of one axis: `count` of them, or all to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The axis, from 0.
    pub axis: usize,
    /// The first position.
    pub start: usize,
    /// The distance between positions, at least 1.
    pub step: usize,
    /// Number of positions; `None` for all to the end.
    pub count: Option<usize>,
}

impl Slice {
    /// `count` channels from `start` on.
    pub fn channels(start: usize, count: usize) -> Self {
        Self {
            axis: 1,
            start,
            step: 1,
            count: Some(count),
        }
    }

    /// Every `step`-th position of an axis.
    pub fn every(axis: usize, start: usize, step: usize) -> Self {
        Self {
            axis,
            start,
            step,
            count: None,
        }
    }

    /// The start of the slice, and its steps.
    fn path(&self, shape: &[usize]) -> (usize, Vec<usize>) {
        let mut steps = strides(shape);
        let base = self.start * steps[self.axis];
        // A step beyond the axis is never taken.
        steps[self.axis] *= self.step.min(shape[self.axis]);
        (base, steps)
    }
}

impl Op for Slice {
    fn kind(&self) -> &'static str {
        "slice"
    }

    fn class(&self) -> Class {
        Class::Copying
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        let layout = inputs[0].layout?;
        if !layout.axes().contains(&self.axis) {
            return layout.within(shape);
        }
        let left = |before: usize| before.checked_sub(self.start);
        let arrangement = match layout.arrangement {
            Arrangement::Map | Arrangement::ChannelsLast => return layout.within(shape),
            Arrangement::Tokens { before } => Arrangement::Tokens {
                before: left(before)?,
            },
            Arrangement::TokensLast { before } => Arrangement::TokensLast {
                before: left(before)?,
            },
        };
        let has_all = self.step == 1;
        layout
            .arranged(arrangement)
            .within(shape)
            .filter(|_| has_all)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        let Some(layout) = node.inputs[input].layout else {
            return Reads::All;
        };
        let steps = Steps {
            kernel: 1,
            stride: self.step,
            first: i64::try_from(self.start).unwrap_or(i64::MAX),
        };
        match (layout.arrangement, self.axis) {
            (_, axis) if !layout.axes().contains(&axis) => Reads::Same,
            (Arrangement::Map, 2) | (Arrangement::ChannelsLast, 1) => {
                Reads::Window(steps, Steps::EACH)
            }
            (Arrangement::Map | Arrangement::ChannelsLast, _) => Reads::Window(Steps::EACH, steps),
            // The rest of a sequence has all of its positions, or it consists of other tokens.
            _ if node.output.layout.is_some() => Reads::Same,
            _ => Reads::OtherTokens,
        }
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let refuse = || {
            let Self {
                axis, start, step, ..
            } = self;
            format!(
                "cannot slice axis {axis} of {inputs:?} from position {start} in steps of {step}"
            )
        };
        let [x] = inputs else { return Err(refuse()) };
        let side = *x.get(self.axis).ok_or_else(refuse)?;
        let there = side.saturating_sub(self.start).div_ceil(self.step.max(1));
        let count = self.count.unwrap_or(there);
        if self.step == 0 || count == 0 || count > there {
            return Err(refuse());
        }
        let mut shape = x.to_vec();
        shape[self.axis] = count;
        Ok(shape)
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs[0]
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let (base, steps) = self.path(x.shape());
        gather(call.output_shape, x.data(), base, &steps).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let shape = call.inputs[0].shape();
        let (base, steps) = self.path(shape);
        let mut gradient = Buffer::zeroed(shape.iter().product());
        place(&grad_output, &mut gradient, base, &steps);
        Ok(Gradients::input(Tensor::from_buffer(shape, gradient)))
    }

    fn reach(&self, _: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        if self.axis == 1 && inputs[0].len() == 4 {
            Reach::Pointwise
        } else {
            Reach::Everything
        }
    }
}
