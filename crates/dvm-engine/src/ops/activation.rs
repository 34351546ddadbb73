//! Activation functions.

pub(super) mod by_vector;

use rayon::prelude::*;

use self::by_vector::Values;
use super::exponential::{exp, exp_minus_1, normal_cdf, sigmoid, tanh, tanh_softplus};
use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK,
    map2, map2_into,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::InstructionSet;

/// Runs `$body` with the constant `$f`, for the functions whose loops are vectorised.
macro_rules! with_constant {
    ($activation:expr, $f:ident => $body:expr) => {
        match $activation {
            Activation::Relu => with_constant!(=Relu, $f => $body),
            Activation::Relu6 => with_constant!(=Relu6, $f => $body),
            Activation::Silu => with_constant!(=Silu, $f => $body),
            Activation::Gelu => with_constant!(=Gelu, $f => $body),
            Activation::GeluTanh => with_constant!(=GeluTanh, $f => $body),
            Activation::Sigmoid => with_constant!(=Sigmoid, $f => $body),
            Activation::Hardswish => with_constant!(=Hardswish, $f => $body),
            Activation::Hardsigmoid => with_constant!(=Hardsigmoid, $f => $body),
            Activation::Tanh => with_constant!(=Tanh, $f => $body),
            Activation::Softplus => with_constant!(=Softplus, $f => $body),
            Activation::Mish => with_constant!(=Mish, $f => $body),
            Activation::SquaredRelu => with_constant!(=SquaredRelu, $f => $body),
            Activation::Softsign => with_constant!(=Softsign, $f => $body),
            // For these the kind of function is constant, but its parameters are not.
            Activation::LeakyRelu(slope) => with_constant!(Activation::LeakyRelu(slope), =$f => $body),
            Activation::Elu(factor) => with_constant!(Activation::Elu(factor), =$f => $body),
            Activation::ClippedRelu(high) => with_constant!(Activation::ClippedRelu(high), =$f => $body),
            Activation::ThresholdedRelu(threshold) => {
                with_constant!(Activation::ThresholdedRelu(threshold), =$f => $body)
            }
            Activation::Selu { alpha, gamma } => {
                with_constant!(Activation::Selu { alpha, gamma }, =$f => $body)
            }
            Activation::Celu(alpha) => with_constant!(Activation::Celu(alpha), =$f => $body),
            Activation::Swish(factor) => with_constant!(Activation::Swish(factor), =$f => $body),
            Activation::Shrink { lambda, bias } => {
                with_constant!(Activation::Shrink { lambda, bias }, =$f => $body)
            }
            Activation::HardsigmoidOf { slope, offset } => {
                with_constant!(Activation::HardsigmoidOf { slope, offset }, =$f => $body)
            }
        }
    };
    ($activation:expr, =$f:ident => $body:expr) => {{
        let $f = $activation;
        $body
    }};
    (=$name:ident, $f:ident => $body:expr) => {{
        #[allow(non_upper_case_globals)]
        const $f: Activation = Activation::$name;
        $body
    }};
}

/// A function of single values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// x · σ(x), arXiv 1702.03118.
    Silu,
    /// x · Φ(x) with the exact normal distribution function, arXiv 1606.08415.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// σ(x) = 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// x · min(max(x + 3, 0), 6) / 6, arXiv 1905.02244.
    Hardswish,
    /// min(max(x + 3, 0), 6) / 6.
    Hardsigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// x where it is positive, this slope times x elsewhere.
    LeakyRelu(f32),
    /// x where it is positive, this factor times (eˣ − 1) elsewhere, arXiv 1511.07289.
    Elu(f32),
    /// ln(1 + eˣ).
    Softplus,
    /// x · tanh(ln(1 + eˣ)), arXiv 1908.08681.
    Mish,
    /// min(max(x, 0), high), for an upper bound other than 6.
    ClippedRelu(f32),
    /// max(x, 0)², arXiv 2109.08668.
    SquaredRelu,
    /// x where it is larger than this threshold, 0 elsewhere.
    ThresholdedRelu(f32),
    /// γ · x where x is positive, γ · α · (eˣ − 1) elsewhere, arXiv 1706.02515.
    Selu {
        /// Factor of the exponential part.
        alpha: f32,
        /// Factor of the whole.
        gamma: f32,
    },
    /// x where it is positive, α · (e^(x / α) − 1) elsewhere, arXiv 1704.07483.
    Celu(f32),
    /// x · σ(β · x) for a factor β other than 1, such as the 1.702 of QuickGELU.
    Swish(f32),
    /// x / (1 + |x|).
    Softsign,
    /// x − bias above lambda, x + bias below −lambda, 0 between: soft shrinkage where both are equal,
    /// hard shrinkage where the bias is 0.
    Shrink {
        /// Half the width of the part that becomes 0.
        lambda: f32,
        /// The shift of the other values.
        bias: f32,
    },
    /// min(max(slope · x + offset, 0), 1), for numbers other than those of [`Activation::Hardsigmoid`].
    HardsigmoidOf {
        /// The slope between 0 and 1.
        slope: f32,
        /// The value at 0.
        offset: f32,
    },
}

impl Activation {
    /// The function.
    #[inline(always)]
    pub fn value(self, x: f32) -> f32 {
        match self {
            // NaN stays NaN, so that a broken network does not look like one without activity.
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::Silu => x * sigmoid(x),
            Self::Gelu => x * normal_cdf(x),
            Self::GeluTanh => 0.5 * x * (1.0 + tanh(gelu_tanh_argument(x))),
            Self::Sigmoid => sigmoid(x),
            Self::Hardswish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Hardsigmoid => (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Tanh => tanh(x),
            Self::LeakyRelu(slope) => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
            Self::Elu(factor) => {
                if x < 0.0 {
                    factor * exp_minus_1(x)
                } else {
                    x
                }
            }
            Self::Softplus => softplus(x),
            Self::Mish => x * tanh_softplus(x),
            Self::ClippedRelu(high) => clipped(x, high),
            Self::SquaredRelu => {
                let positive = if x < 0.0 { 0.0 } else { x };
                positive * positive
            }
            Self::ThresholdedRelu(threshold) => {
                if x <= threshold {
                    0.0
                } else {
                    x
                }
            }
            Self::Selu { alpha, gamma } => {
                if x < 0.0 {
                    gamma * alpha * exp_minus_1(x)
                } else {
                    gamma * x
                }
            }
            Self::Celu(alpha) => {
                if x < 0.0 {
                    alpha * exp_minus_1(x / alpha)
                } else {
                    x
                }
            }
            Self::Swish(factor) => x * sigmoid(factor * x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Shrink { lambda, bias } => {
                if x > lambda {
                    x - bias
                } else if x < -lambda {
                    x + bias
                } else {
                    // 0, or a NaN.
                    x * 0.0
                }
            }
            Self::HardsigmoidOf { slope, offset } => clipped(slope * x + offset, 1.0),
        }
    }

    /// The derivative; at a kink as in PyTorch (ReLU: 0 at 0, ReLU6: 0 at 0 and 6).
    #[inline(always)]
    pub fn derivative(self, x: f32) -> f32 {
        match self {
            Self::Relu => f32::from(x > 0.0),
            Self::Relu6 => f32::from(x > 0.0 && x < 6.0),
            Self::Silu => {
                let s = sigmoid(x);
                s * (1.0 + x * (1.0 - s))
            }
            Self::Gelu => normal_cdf(x) + x * normal_density(x),
            Self::GeluTanh => {
                let t = tanh(gelu_tanh_argument(x));
                let inner = SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044_715 * x * x);
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
            }
            Self::Sigmoid => {
                let s = sigmoid(x);
                s * (1.0 - s)
            }
            Self::Hardswish => {
                if x <= -3.0 {
                    0.0
                } else if x < 3.0 {
                    x / 3.0 + 0.5
                } else {
                    1.0
                }
            }
            Self::Hardsigmoid => {
                if x > -3.0 && x < 3.0 {
                    1.0 / 6.0
                } else {
                    0.0
                }
            }
            Self::Tanh => {
                let t = tanh(x);
                1.0 - t * t
            }
            Self::LeakyRelu(slope) => {
                if x > 0.0 {
                    1.0
                } else {
                    slope
                }
            }
            Self::Elu(factor) => {
                if x > 0.0 {
                    1.0
                } else {
                    factor * exp(x)
                }
            }
            Self::Softplus => sigmoid(x),
            Self::Mish => {
                let t = tanh_softplus(x);
                t + x * (1.0 - t * t) * sigmoid(x)
            }
            Self::ClippedRelu(high) => f32::from(x > 0.0 && x < high),
            Self::SquaredRelu => {
                if x > 0.0 {
                    2.0 * x
                } else {
                    0.0
                }
            }
            Self::ThresholdedRelu(threshold) => f32::from(x > threshold),
            Self::Selu { alpha, gamma } => {
                if x > 0.0 {
                    gamma
                } else {
                    gamma * alpha * exp(x)
                }
            }
            Self::Celu(alpha) => {
                if x > 0.0 {
                    1.0
                } else {
                    exp(x / alpha)
                }
            }
            Self::Swish(factor) => {
                let s = sigmoid(factor * x);
                s * (1.0 + factor * x * (1.0 - s))
            }
            Self::Softsign => {
                let wide = 1.0 + x.abs();
                1.0 / (wide * wide)
            }
            Self::Shrink { lambda, .. } => f32::from(x > lambda || x < -lambda),
            Self::HardsigmoidOf { slope, offset } => {
                let line = slope * x + offset;
                if line > 0.0 && line < 1.0 { slope } else { 0.0 }
            }
        }
    }

    /// Whether it passes positive values and suppresses negative ones, as guided backprop and deconvnet
    /// need. Sigmoids, tanh and similar functions are symmetric and keep their true gradient.
    pub fn is_rectifier(self) -> bool {
        !matches!(
            self,
            Self::Sigmoid
                | Self::Hardsigmoid
                | Self::HardsigmoidOf { .. }
                | Self::Tanh
                | Self::Softsign
                | Self::Shrink { .. }
        )
    }

    /// The name, as PyTorch's functional API spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Relu6 => "relu6",
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Sigmoid => "sigmoid",
            Self::Hardswish => "hardswish",
            Self::Hardsigmoid => "hardsigmoid",
            Self::Tanh => "tanh",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Elu(_) => "elu",
            Self::Softplus => "softplus",
            Self::Mish => "mish",
            Self::ClippedRelu(_) => "clipped_relu",
            Self::SquaredRelu => "squared_relu",
            Self::ThresholdedRelu(_) => "thresholded_relu",
            Self::Selu { .. } => "selu",
            Self::Celu(_) => "celu",
            Self::Swish(_) => "swish",
            Self::Softsign => "softsign",
            Self::Shrink { .. } => "shrink",
            Self::HardsigmoidOf { .. } => "hardsigmoid_of",
        }
    }

    /// Applies the function to every value of a slice; the choice of the function is outside of the loop.
    #[inline(always)]
    pub(super) fn apply(self, values: &mut [f32]) {
        with_constant!(self, f => values.iter_mut().for_each(|v| *v = f.value(*v)));
    }
}

const SQRT_2_OVER_PI: f32 = 0.797_884_6;

/// min(max(x, 0), high), where NaN stays NaN.
#[inline(always)]
fn clipped(x: f32, high: f32) -> f32 {
    let x = if x < 0.0 { 0.0 } else { x };
    if x > high { high } else { x }
}

/// ln(1 + eˣ) without overflow.
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[inline(always)]
fn gelu_tanh_argument(x: f32) -> f32 {
    SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)
}

#[inline(always)]
fn normal_density(x: f32) -> f32 {
    const ONE_OVER_SQRT_TAU: f32 = 0.398_942_3;
    ONE_OVER_SQRT_TAU * exp(-0.5 * x * x)
}

impl Op for Activation {
    fn kind(&self) -> &'static str {
        self.name()
    }

    fn class(&self) -> Class {
        Class::Activation
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [x] => Ok(x.to_vec()),
            _ => Err(format!("expects one input, not {}", inputs.len())),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        let to = |low, high| Bounds { low, high };
        match self {
            Self::Sigmoid | Self::Hardsigmoid | Self::HardsigmoidOf { .. } => Bounds::UNIT,
            Self::Tanh | Self::Softsign => to(-1.0, 1.0),
            Self::Relu | Self::Relu6 | Self::ClippedRelu(_) => inputs[0].rising(|x| self.value(x)),
            Self::Softplus | Self::SquaredRelu => to(0.0, f32::INFINITY),
            _ => Bounds::ALL,
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let mut output = Buffer::unspecified(x.len());
        let set = InstructionSet::in_use();
        output
            .par_chunks_mut(TASK)
            .zip(x.data().par_chunks(TASK))
            .for_each(|(output, input)| {
                set.run(Values {
                    activation: *self,
                    input,
                    output,
                });
            });
        Tensor::from_buffer(x.shape(), output).into()
    }

    fn needs(&self) -> Needs {
        if self.is_clamp() {
            Needs::OUTPUT
        } else {
            Needs::INPUTS
        }
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        Ok(Gradients::input(match self {
            Self::Relu => map2_into(
                grad_output,
                call.output,
                |g, y| {
                    if y > 0.0 { g } else { 0.0 }
                },
            ),
            Self::Relu6 => map2_into(grad_output, call.output, |g, y| {
                if y > 0.0 && y < 6.0 { g } else { 0.0 }
            }),
            other => with_constant!(*other, f => map2_into(
                grad_output,
                call.inputs[0],
                #[inline(always)]
                |g, x| g * f.derivative(x),
            )),
        }))
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}

impl Activation {
    /// Whether its derivative follows from its output: 1 strictly between the bounds, 0 elsewhere.
    pub(crate) fn is_clamp(self) -> bool {
        matches!(self, Self::Relu | Self::Relu6)
    }

    /// `pass(g) · f′(x)`: the true gradient if `pass` is the identity, guided backprop if it keeps only
    /// positive values.
    pub(crate) fn scaled(
        self,
        input: &Tensor,
        grad_output: &Tensor,
        pass: impl Fn(f32) -> f32 + Sync,
    ) -> Tensor {
        match self {
            Self::Relu => map2(
                input,
                grad_output,
                |x, g| {
                    if x > 0.0 { pass(g) } else { 0.0 }
                },
            ),
            Self::Relu6 => map2(input, grad_output, |x, g| {
                if x > 0.0 && x < 6.0 { pass(g) } else { 0.0 }
            }),
            other => with_constant!(other, f => map2(
                input,
                grad_output,
                #[inline(always)]
                |x, g| pass(g) * f.derivative(x),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relu_keeps_a_nan() {
        assert!(Activation::Relu.value(f32::NAN).is_nan());
        assert!(Activation::Relu6.value(f32::NAN).is_nan());
    }

    #[test]
    fn kinks_have_the_derivative_that_pytorch_takes() {
        assert_eq!(Activation::Relu.derivative(0.0), 0.0);
        assert_eq!(Activation::Relu6.derivative(6.0), 0.0);
        assert_eq!(Activation::Hardswish.derivative(-3.0), 0.0);
        assert_eq!(Activation::Hardswish.derivative(3.0), 1.0);
    }
}
