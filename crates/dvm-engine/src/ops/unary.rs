//! Functions of one number other than activations.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, map,
    map2_into,
};
use crate::Tensor;

/// A function of single values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// −x
    Neg,
    /// |x|
    Abs,
    /// eˣ
    Exp,
    /// ln x
    Log,
    /// √x
    Sqrt,
    /// 1 / x
    Reciprocal,
    /// The error function.
    Erf,
    /// min(max(x, low), high)
    Clip {
        /// The lower bound.
        low: f32,
        /// The upper bound.
        high: f32,
    },
}

impl Unary {
    /// The function.
    pub fn value(self, x: f32) -> f32 {
        match self {
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Reciprocal => 1.0 / x,
            Self::Erf => libm::erf(f64::from(x)) as f32,
            // NaN stays NaN.
            Self::Clip { low, high } => {
                let x = if x < low { low } else { x };
                if x > high { high } else { x }
            }
        }
    }

    /// The derivative; 0 at the kinks of |x|, 1 at the bounds of a clip, as in PyTorch.
    pub fn derivative(self, x: f32) -> f32 {
        match self {
            Self::Neg => -1.0,
            Self::Abs if x == 0.0 => 0.0,
            Self::Abs => x.signum(),
            Self::Exp => x.exp(),
            Self::Log => 1.0 / x,
            Self::Sqrt => 0.5 / x.sqrt(),
            Self::Reciprocal => -1.0 / (x * x),
            Self::Erf => std::f32::consts::FRAC_2_SQRT_PI * (-x * x).exp(),
            Self::Clip { low, high } => f32::from(x >= low && x <= high),
        }
    }
}

impl Op for Unary {
    fn kind(&self) -> &'static str {
        match self {
            Self::Neg => "neg",
            Self::Abs => "abs",
            Self::Exp => "exp",
            Self::Log => "log",
            Self::Sqrt => "sqrt",
            Self::Reciprocal => "reciprocal",
            Self::Erf => "erf",
            Self::Clip { .. } => "clip",
        }
    }

    fn class(&self) -> Class {
        Class::Arithmetic
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn is_affine(&self) -> bool {
        *self == Self::Neg
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [x] => Ok(x.to_vec()),
            _ => Err(format!("expects one input, not {}", inputs.len())),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        let x = inputs[0];
        match self {
            Self::Neg => Bounds {
                low: -x.high,
                high: -x.low,
            },
            Self::Abs if x.low < 0.0 => Bounds {
                low: 0.0,
                high: x.high.max(-x.low),
            },
            Self::Reciprocal if x.low < 0.0 => Bounds::ALL,
            Self::Reciprocal => Bounds {
                low: 1.0 / x.high,
                high: 1.0 / x.low,
            },
            Self::Abs | Self::Exp | Self::Log | Self::Sqrt | Self::Erf | Self::Clip { .. } => {
                x.rising(|x| self.value(x))
            }
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        map(call.inputs[0], |x| self.value(x)).into()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let x = call.inputs[0];
        let gradient = map2_into(grad_output, x, |g, x| g * self.derivative(x));
        Ok(Gradients::input(gradient))
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}
