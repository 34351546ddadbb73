//! Activation functions and their derivatives, the same formulas as on the CPU.

use cubecl::prelude::*;
use dvm_engine::ops::activation::Activation;

/// An activation that a kernel is compiled for, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Activate {
    kind: Kind,
    /// The bits of the function's parameters; kernels are told apart by them.
    first: u32,
    second: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Kind {
    #[default]
    None,
    Silu,
    Gelu,
    GeluTanh,
    Sigmoid,
    Hardswish,
    Tanh,
    /// `x` where it is positive, `first · x` elsewhere.
    Leaky,
    /// `second · x` where it is positive, `second · first · (eˣ − 1)` elsewhere.
    Elu,
    Celu,
    Softplus,
    Mish,
    /// Between 0 and `first`.
    Clipped,
    SquaredRelu,
    Thresholded,
    Swish,
    Softsign,
    Shrink,
    Hardsigmoid,
}

impl From<Option<Activation>> for Activate {
    fn from(activation: Option<Activation>) -> Self {
        activation.map_or_else(Self::default, Self::from)
    }
}

impl From<Activation> for Activate {
    fn from(activation: Activation) -> Self {
        let (kind, first, second) = match activation {
            Activation::Relu => (Kind::Leaky, 0.0, 0.0),
            Activation::Relu6 => (Kind::Clipped, 6.0, 0.0),
            Activation::Silu => (Kind::Silu, 0.0, 0.0),
            Activation::Gelu => (Kind::Gelu, 0.0, 0.0),
            Activation::GeluTanh => (Kind::GeluTanh, 0.0, 0.0),
            Activation::Sigmoid => (Kind::Sigmoid, 0.0, 0.0),
            Activation::Hardswish => (Kind::Hardswish, 0.0, 0.0),
            Activation::Hardsigmoid => (Kind::Hardsigmoid, 1.0 / 6.0, 0.5),
            Activation::Tanh => (Kind::Tanh, 0.0, 0.0),
            Activation::LeakyRelu(slope) => (Kind::Leaky, slope, 0.0),
            Activation::Elu(factor) => (Kind::Elu, factor, 1.0),
            Activation::Softplus => (Kind::Softplus, 0.0, 0.0),
            Activation::Mish => (Kind::Mish, 0.0, 0.0),
            Activation::ClippedRelu(high) => (Kind::Clipped, high, 0.0),
            Activation::SquaredRelu => (Kind::SquaredRelu, 0.0, 0.0),
            Activation::ThresholdedRelu(threshold) => (Kind::Thresholded, threshold, 0.0),
            Activation::Selu { alpha, gamma } => (Kind::Elu, alpha, gamma),
            Activation::Celu(alpha) => (Kind::Celu, alpha, 0.0),
            Activation::Swish(factor) => (Kind::Swish, factor, 0.0),
            Activation::Softsign => (Kind::Softsign, 0.0, 0.0),
            Activation::Shrink { lambda, bias } => (Kind::Shrink, lambda, bias),
            Activation::HardsigmoidOf { slope, offset } => (Kind::Hardsigmoid, slope, offset),
        };
        Self {
            kind,
            first: f32::to_bits(first),
            second: f32::to_bits(second),
        }
    }
}

impl Activate {
    fn first(self) -> f32 {
        f32::from_bits(self.first)
    }

    fn second(self) -> f32 {
        f32::from_bits(self.second)
    }

    fn is_relu(self) -> bool {
        self.kind == Kind::Leaky && self.first == 0
    }
}

#[cube]
fn sigmoid(x: f32) -> f32 {
    1.0f32 / (1.0f32 + (-x).exp())
}

/// `tanh`, also where the exponential overflows.
#[cube]
fn bounded_tanh(x: f32) -> f32 {
    let bound = 15.0f32;
    let low = select(x < -bound, -bound, x);
    select(low > bound, bound, low).tanh()
}

/// `min(max(x, 0), high)`; NaN stays NaN.
#[cube]
fn clipped(x: f32, high: f32) -> f32 {
    let low = select(x < 0.0f32, 0.0f32, x);
    select(low > high, high, low)
}

#[cube]
fn gelu_tanh_argument(x: f32) -> f32 {
    0.797_884_6f32 * (x + 0.044_715f32 * x * x * x)
}

/// `tanh(ln(1 + eˣ))`.
#[cube]
fn tanh_softplus(x: f32) -> f32 {
    // With e = eˣ: (e² + 2e) / (e² + 2e + 2), which is 1 in f32 from 20 on.
    let e = select(x > 20.0f32, 20.0f32, x).exp();
    let wide = e * (e + 2.0f32);
    wide / (wide + 2.0f32)
}

#[cube]
#[allow(unstable_name_collisions)]
fn normal_cdf(x: f32) -> f32 {
    0.5f32 * (1.0f32 + (x * 0.707_106_77f32).erf())
}

/// The value of the function at `x`.
#[cube]
pub(crate) fn activate(x: f32, #[comptime] how: Activate) -> f32 {
    let first = comptime!(how.first()).runtime();
    let second = comptime!(how.second()).runtime();
    match comptime!(how.kind) {
        Kind::None => x,
        Kind::Silu => x * sigmoid(x),
        Kind::Gelu => x * normal_cdf(x),
        Kind::GeluTanh => 0.5f32 * x * (1.0f32 + bounded_tanh(gelu_tanh_argument(x))),
        Kind::Sigmoid => sigmoid(x),
        Kind::Hardswish => x * clipped(x + 3.0f32, 6.0f32) / 6.0f32,
        Kind::Tanh => bounded_tanh(x),
        Kind::Leaky => {
            if comptime!(how.is_relu()) {
                select(x < 0.0f32, 0.0f32, x)
            } else {
                select(x < 0.0f32, first * x, x)
            }
        }
        Kind::Elu => second * select(x < 0.0f32, first * (x.exp() - 1.0f32), x),
        Kind::Celu => select(x < 0.0f32, first * ((x / first).exp() - 1.0f32), x),
        Kind::Softplus => {
            let positive = select(x < 0.0f32, 0.0f32, x);
            positive + (1.0f32 + (-x.abs()).exp()).ln()
        }
        Kind::Mish => x * tanh_softplus(x),
        Kind::Clipped => clipped(x, first),
        Kind::SquaredRelu => {
            let positive = select(x < 0.0f32, 0.0f32, x);
            positive * positive
        }
        Kind::Thresholded => select(x <= first, 0.0f32, x),
        Kind::Swish => x * sigmoid(first * x),
        Kind::Softsign => x / (1.0f32 + x.abs()),
        Kind::Shrink => {
            let low = select(x < -first, x + second, x * 0.0f32);
            select(x > first, x - second, low)
        }
        Kind::Hardsigmoid => clipped(first * x + second, 1.0f32),
    }
}

/// The derivative at `x`; at a kink as on the CPU and in PyTorch.
#[cube]
pub(crate) fn derivative(x: f32, #[comptime] how: Activate) -> f32 {
    let first = comptime!(how.first()).runtime();
    let second = comptime!(how.second()).runtime();
    let zero = 0.0f32;
    let one = 1.0f32;
    match comptime!(how.kind) {
        Kind::None => one,
        Kind::Silu => {
            let s = sigmoid(x);
            s * (one + x * (one - s))
        }
        Kind::Gelu => normal_cdf(x) + x * 0.398_942_3f32 * (-0.5f32 * x * x).exp(),
        Kind::GeluTanh => {
            let t = bounded_tanh(gelu_tanh_argument(x));
            let inner = 0.797_884_6f32 * (one + 0.134_145f32 * x * x);
            0.5f32 * (one + t) + 0.5f32 * x * (one - t * t) * inner
        }
        Kind::Sigmoid => {
            let s = sigmoid(x);
            s * (one - s)
        }
        Kind::Hardswish => {
            let between = select(x < 3.0f32, x / 3.0f32 + 0.5f32, one);
            select(x <= -3.0f32, zero, between)
        }
        Kind::Tanh => {
            let t = bounded_tanh(x);
            one - t * t
        }
        Kind::Leaky => select(x > zero, one, first),
        Kind::Elu => second * select(x > zero, one, first * x.exp()),
        Kind::Celu => select(x > zero, one, (x / first).exp()),
        Kind::Softplus => sigmoid(x),
        Kind::Mish => {
            let t = tanh_softplus(x);
            t + x * (one - t * t) * sigmoid(x)
        }
        Kind::Clipped => select(x > zero && x < first, one, zero),
        Kind::SquaredRelu => select(x > zero, 2.0f32 * x, zero),
        Kind::Thresholded => select(x > first, one, zero),
        Kind::Swish => {
            let s = sigmoid(first * x);
            s * (one + first * x * (one - s))
        }
        Kind::Softsign => {
            let wide = one + x.abs();
            one / (wide * wide)
        }
        Kind::Shrink => select(x > first || x < -first, one, zero),
        Kind::Hardsigmoid => {
            let line = first * x + second;
            select(line > zero && line < one, first, zero)
        }
    }
}
