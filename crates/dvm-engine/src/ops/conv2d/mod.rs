//! Two-dimensional convolution.

mod backward;
mod depthwise;
mod direct;
mod filters;
#[cfg(test)]
mod tests;
mod weights;
mod winograd;

use std::sync::Arc;

use self::direct::Lattice;
use self::filters::Filters;
use self::winograd::Winograd;
use super::activation::Activation;
use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::panels::{Finish, Residual};
use super::{
    Arithmetic, Axis, BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op,
    Prepared, Reach, check_inputs, feature_map,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::InstructionSet;

/// A convolution (cross-correlation, as in every framework) of feature maps `[N, C, H, W]` with weights
/// `[O, C / groups, kh, kw]` and, if there is a second parameter, a bias `[O]`.
///
/// After fusion it may also add a residual (a second input of the output's shape) and apply an activation:
/// `activation(conv(x) + bias + residual)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// Rows and columns of the kernel.
    pub kernel: (usize, usize),
    /// The stride along rows and columns.
    pub stride: (usize, usize),
    /// Zeros around the input.
    pub padding: Padding,
    /// The dilation along rows and columns.
    pub dilation: (usize, usize),
    /// Number of groups; input and output channels are split evenly among them.
    pub groups: usize,
    /// Whether a second input is added before the activation (set by fusion).
    pub residual: bool,
    /// The activation after it (set by fusion).
    pub activation: Option<Activation>,
}

/// Pixels around a feature map: zeros for convolutions, ignored by max pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Border {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Border {
    /// The same on all four sides.
    pub fn all(pixels: usize) -> Self {
        Self::symmetric(pixels, pixels)
    }

    /// `rows` above and below, `columns` left and right, as PyTorch's `padding=(rows, columns)`.
    pub fn symmetric(rows: usize, columns: usize) -> Self {
        Self {
            top: rows,
            left: columns,
            bottom: rows,
            right: columns,
        }
    }
}

/// How a convolution pads its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// A constant border.
    Fixed(Border),
    /// TensorFlow's `SAME`: padding for an output of `ceil(input / stride)`; an odd pixel is below and to the
    /// right.
    Same,
}

/// The most pixels of a map's side, and of a window's extent.
pub(crate) const LONGEST_SIDE: usize = 1 << 20;

/// Output length of a window that slides along one axis.
///
/// # Errors
/// If the window is longer than the padded input, or its numbers are out of range.
pub(crate) fn slide(
    length: usize,
    before: usize,
    after: usize,
    kernel: usize,
    dilation: usize,
    stride: usize,
) -> Result<usize, String> {
    if kernel == 0 || dilation == 0 || stride == 0 {
        return Err(format!(
            "a window of {kernel} pixels cannot slide by {stride} with a dilation of {dilation}"
        ));
    }
    if [kernel, dilation, stride, length, before, after]
        .iter()
        .any(|&n| n > LONGEST_SIDE)
    {
        return Err(format!(
            "a side of {length} + {before} + {after} pixels under a window of {kernel} with a \
             dilation of {dilation} is longer than {LONGEST_SIDE}"
        ));
    }
    let reach = dilation * (kernel - 1) + 1;
    let padded = length + before + after;
    if padded < reach {
        return Err(format!(
            "its window reaches over {reach} pixels but the padded input has {padded}"
        ));
    }
    Ok((padded - reach) / stride + 1)
}

impl Conv2d {
    /// A square kernel with stride 1, no padding, no dilation, one group.
    pub fn square(kernel: usize) -> Self {
        Self {
            kernel: (kernel, kernel),
            stride: (1, 1),
            padding: Padding::Fixed(Border::default()),
            dilation: (1, 1),
            groups: 1,
            residual: false,
            activation: None,
        }
    }

    /// The same with this stride along both axes.
    pub fn stride(self, stride: usize) -> Self {
        Self {
            stride: (stride, stride),
            ..self
        }
    }

    /// The same with this padding.
    pub fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// The same with this many groups.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Whether there is one filter per channel, which has a separate kernel.
    fn is_depthwise(&self, channels: usize, outputs: usize) -> bool {
        self.groups == channels && outputs == channels && channels > 1
    }

    /// The padding of an `h × w` input.
    pub fn border(&self, h: usize, w: usize) -> Border {
        match self.padding {
            Padding::Fixed(border) => border,
            Padding::Same => {
                let total = |length: usize, kernel: usize, dilation: usize, stride: usize| {
                    let reach = (length.div_ceil(stride).max(1) - 1) * stride;
                    (reach + dilation * (kernel - 1) + 1).saturating_sub(length)
                };
                let rows = total(h, self.kernel.0, self.dilation.0, self.stride.0);
                let columns = total(w, self.kernel.1, self.dilation.1, self.stride.1);
                Border {
                    top: rows / 2,
                    left: columns / 2,
                    bottom: rows - rows / 2,
                    right: columns - columns / 2,
                }
            }
        }
    }

    /// `(input row − output row · stride, input column − output column · stride)` of each tap.
    fn taps(&self, border: Border) -> Vec<(isize, isize)> {
        let mut taps = Vec::with_capacity(self.kernel.0 * self.kernel.1);
        for ky in 0..self.kernel.0 {
            for kx in 0..self.kernel.1 {
                taps.push((
                    (ky * self.dilation.0) as isize - border.top as isize,
                    (kx * self.dilation.1) as isize - border.left as isize,
                ));
            }
        }
        taps
    }

    /// Whether Winograd's algorithm can compute it.
    fn is_three_by_three(&self) -> bool {
        (self.kernel, self.stride, self.dilation, self.groups) == ((3, 3), (1, 1), (1, 1), 1)
    }

    /// The operations fused into the convolution that writes `output`.
    fn finish<'a>(&self, call: &ForwardCall<'a>, output: &[f32]) -> Finish<'a> {
        Finish {
            bias: call.parameters.get(1).map(|bias| bias.data()),
            residual: self
                .residual
                .then(|| Residual::new(call.inputs[1].data(), output)),
            activation: self.activation,
        }
    }
}

/// The packed weights that the graph keeps.
fn filters(prepared: Option<&Prepared>) -> &Filters {
    prepared
        .and_then(|prepared| prepared.downcast_ref())
        .expect("a convolution prepares its filters")
}

impl Op for Conv2d {
    fn kind(&self) -> &'static str {
        "conv2d"
    }

    fn class(&self) -> Class {
        Class::Convolution
    }

    fn layout(&self, _: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::of_map(shape)
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
        let (n, c, h, w) = feature_map(inputs[0])?;
        let (o, i, kh, kw) = match parameters {
            [weight] => feature_map(weight)?,
            [weight, bias] if bias.len() == 1 && bias[0] == weight[0] => feature_map(weight)?,
            _ => {
                return Err(format!(
                    "expects a weight [O, I, kh, kw] and perhaps a bias [O], not {parameters:?}"
                ));
            }
        };
        if (kh, kw) != self.kernel {
            return Err(format!(
                "its kernel is {:?}, but its weight has the shape {:?}",
                self.kernel, parameters[0]
            ));
        }
        if i.checked_mul(self.groups) != Some(c) || !o.is_multiple_of(self.groups) {
            return Err(format!(
                "a weight of shape {:?} in {} group(s) does not fit the {c} channels of the input {:?}",
                parameters[0], self.groups, inputs[0],
            ));
        }
        // Checked before they are used to compute the padding.
        for (side, kernel, dilation, stride) in [
            (h, kh, self.dilation.0, self.stride.0),
            (w, kw, self.dilation.1, self.stride.1),
        ] {
            let longest = LONGEST_SIDE - side.min(LONGEST_SIDE);
            slide(side, longest, longest, kernel, dilation, stride)?;
        }
        let p = self.border(h, w);
        let oh = slide(h, p.top, p.bottom, kh, self.dilation.0, self.stride.0)?;
        let ow = slide(w, p.left, p.right, kw, self.dilation.1, self.stride.1)?;
        let output = vec![n, o, oh, ow];
        if self.residual && inputs[1] != output {
            return Err(format!(
                "cannot add {:?} to its output {output:?}",
                inputs[1]
            ));
        }
        Ok(output)
    }

    fn prepare(&self) -> Option<Prepared> {
        Some(Box::new(Filters::new(InstructionSet::in_use())))
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let input = call.inputs[0];
        let (n, c, h, w) = feature_map(input.shape()).expect("checked");
        let (_, o, oh, ow) = feature_map(call.output_shape).expect("checked");
        let (filters, weight) = (filters(call.prepared), call.parameters[0]);
        let border = self.border(h, w);
        let mut output = Buffer::unspecified(n * o * oh * ow);
        let finish = self.finish(call, &output);
        if self.is_depthwise(c, o) {
            depthwise::forward(self, call, finish, &mut output);
        } else if self.is_three_by_three()
            && call.arithmetic == Arithmetic::Fast
            && winograd::is_cheaper(n, (oh, ow), (c, o))
        {
            Winograd {
                input: input.data(),
                maps: (n, h, w, c),
                border: (border.top, border.left),
                filters: filters.transformed(weight),
                results: (oh, ow),
                finish,
            }
            .convolve(&mut output);
        } else {
            Lattice {
                input: input.data(),
                maps: (n, h, w, c),
                windows: (oh, ow),
                step: self.stride,
                taps: &self.taps(border),
                results: (oh, ow, o),
                places: ((0, 0), (1, 1)),
            }
            .convolve(filters.direct(self, weight), finish, &mut output);
        }
        Tensor::from_buffer(call.output_shape, output).into()
    }

    fn multiply_adds(&self, _: &[&[usize]], parameters: &[&[usize]]) -> usize {
        parameters[0][1..].iter().product()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        if self.residual || self.activation.is_some() {
            return Err(
                "is fused for inference and has no backward pass; use the graph before fusion"
                    .into(),
            );
        }
        let mut gradients = Gradients {
            inputs: vec![None],
            parameters: vec![None; call.parameters.len()],
        };
        let (_, channels, ..) = feature_map(call.inputs[0].shape())?;
        let depthwise = self.is_depthwise(channels, grad_output.shape()[1]);
        if call.wants_input[0] {
            gradients.inputs[0] = Some(if depthwise {
                depthwise::input_gradient(self, call, &grad_output)
            } else {
                backward::input_gradient(self, call, &grad_output)
            });
        }
        if call.wants_parameter[0] {
            gradients.parameters[0] = Some(weights::weight_gradient(self, call, &grad_output));
        }
        if call.wants_parameter.get(1) == Some(&true) {
            gradients.parameters[1] = Some(super::channel_sums(&grad_output));
        }
        Ok(gradients)
    }

    fn reach(&self, input: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        if input > 0 {
            return Reach::Pointwise; // The residual.
        }
        let (_, _, h, w) = feature_map(inputs[0]).expect("checked");
        let border = self.border(h, w);
        let axis = |kernel: usize, dilation: usize, stride, before| Axis {
            kernel: dilation * (kernel - 1) + 1,
            stride,
            before,
        };
        let (kernel, dilation, stride) = (self.kernel, self.dilation, self.stride);
        Reach::Sliding {
            rows: axis(kernel.0, dilation.0, stride.0, border.top),
            columns: axis(kernel.1, dilation.1, stride.1, border.left),
            border: 0.0,
            unpadded: Arc::new(self.clone().padding(Padding::Fixed(Border::default()))),
        }
    }
}
