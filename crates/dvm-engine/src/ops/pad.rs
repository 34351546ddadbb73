//! A border around feature maps, and the crop that removes it.

use std::sync::Arc;

use super::conv2d::{Border, LONGEST_SIDE};
use super::layout::{NodeShapes, Reads, SpatialLayout, Steps, ValueShape};
use super::strided::{gather, place, strides};
use super::{
    Axis, BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, feature_map,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// Feature maps `[N, C, H, W]` with a border of constant pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad {
    /// The width of the border.
    pub amount: Amount,
    /// The value of its pixels.
    pub value: f32,
}

/// How many pixels a [`Pad`] adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A fixed border.
    Fixed(Border),
    /// Below and to the right until both sides are multiples of this.
    ToMultiple(usize),
}

impl Pad {
    /// The border of an `h × w` map.
    pub fn border(&self, h: usize, w: usize) -> Border {
        let missing = |side: usize, of: usize| (of - side % of) % of;
        match self.amount {
            Amount::Fixed(border) => border,
            Amount::ToMultiple(of) => Border {
                bottom: missing(h, of),
                right: missing(w, of),
                ..Border::default()
            },
        }
    }
}

impl Op for Pad {
    fn kind(&self) -> &'static str {
        "pad"
    }

    fn class(&self) -> Class {
        Class::Padding
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
        let (n, c, h, w) = feature_map(x)?;
        if self.amount == Amount::ToMultiple(0) {
            return Err("cannot pad sides to a multiple of 0".into());
        }
        let border = self.border(h, w);
        let longer = |side: usize, before: usize, after: usize| {
            let padded = side.checked_add(before)?.checked_add(after)?;
            (padded <= LONGEST_SIDE).then_some(padded)
        };
        let sides = longer(h, border.top, border.bottom).zip(longer(w, border.left, border.right));
        let (h, w) = sides.ok_or_else(|| format!("cannot pad {x:?} by {border:?}"))?;
        Ok(vec![n, c, h, w])
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        if x.shape() == call.output_shape {
            return x.clone().into();
        }
        let (_, _, h, w) = feature_map(x.shape()).expect("checked");
        let border = self.border(h, w);
        let steps = strides(call.output_shape);
        let mut output = Buffer::unspecified(call.output_shape.iter().product());
        output.fill(self.value);
        let base = border.top * steps[2] + border.left * steps[3];
        place(x, &mut output, base, &steps);
        Tensor::from_buffer(call.output_shape, output).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let shape = call.inputs[0].shape();
        let border = self.border(shape[2], shape[3]);
        let steps = strides(grad_output.shape());
        let base = border.top * steps[2] + border.left * steps[3];
        let gradient = gather(shape, grad_output.data(), base, &steps);
        Ok(Gradients::input(gradient))
    }

    fn reach(&self, _: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        let border = self.border(inputs[0][2], inputs[0][3]);
        let axis = |before: usize| Axis {
            kernel: 1,
            stride: 1,
            before,
        };
        let amount = Amount::Fixed(Border::default());
        Reach::Sliding {
            rows: axis(border.top),
            columns: axis(border.left),
            border: self.value,
            unpadded: Arc::new(Self { amount, ..*self }),
        }
    }
}

/// The upper left part of feature maps `[N, C, H, W]`, with the height and width of the second input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropLike;

impl Op for CropLike {
    fn kind(&self) -> &'static str {
        "crop_like"
    }

    fn class(&self) -> Class {
        Class::Copying
    }

    fn layout(&self, _: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::of_map(shape)
    }

    fn reads(&self, input: usize, _: &NodeShapes) -> Reads {
        match input {
            0 => Reads::Window(Steps::EACH, Steps::EACH),
            _ => Reads::Nothing,
        }
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [[n, c, h, w], [_, _, lower, narrower]] if lower <= h && narrower <= w => {
                Ok(vec![*n, *c, *lower, *narrower])
            }
            _ => Err(format!(
                "expects two feature maps, the second not larger than the first, not {inputs:?}"
            )),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        if x.shape() == call.output_shape {
            return x.clone().into();
        }
        gather(call.output_shape, x.data(), 0, &strides(x.shape())).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let shape = call.inputs[0].shape();
        let mut gradient = Buffer::zeroed(shape.iter().product());
        place(&grad_output, &mut gradient, 0, &strides(shape));
        Ok(Gradients {
            inputs: vec![Some(Tensor::from_buffer(shape, gradient)), None],
            parameters: Vec::new(),
        })
    }
}
