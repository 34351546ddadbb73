//! Functions of one number other than activations, and their derivatives.

use std::f32::consts::FRAC_2_SQRT_PI;

use cubecl::prelude::*;
use dvm_engine::ops::unary::Unary;

use crate::values::{Gpu, Values};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Neg,
    Abs,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Erf,
    Clip,
}

fn kind(function: Unary) -> (Kind, f32, f32) {
    match function {
        Unary::Neg => (Kind::Neg, 0.0, 0.0),
        Unary::Abs => (Kind::Abs, 0.0, 0.0),
        Unary::Exp => (Kind::Exp, 0.0, 0.0),
        Unary::Log => (Kind::Log, 0.0, 0.0),
        Unary::Sqrt => (Kind::Sqrt, 0.0, 0.0),
        Unary::Reciprocal => (Kind::Reciprocal, 0.0, 0.0),
        Unary::Erf => (Kind::Erf, 0.0, 0.0),
        Unary::Clip { low, high } => (Kind::Clip, low, high),
    }
}

#[cube(launch)]
#[allow(unstable_name_collisions)]
fn value_kernel(
    x: &Tensor<f32>,
    y: &mut Tensor<f32>,
    low: f32,
    high: f32,
    count: u32,
    #[comptime] kind: Kind,
) {
    if (ABSOLUTE_POS as u32) < count {
        let x = x[ABSOLUTE_POS];
        y[ABSOLUTE_POS] = match comptime!(kind) {
            Kind::Neg => -x,
            Kind::Abs => x.abs(),
            Kind::Exp => x.exp(),
            Kind::Log => x.ln(),
            Kind::Sqrt => x.sqrt(),
            Kind::Reciprocal => 1.0f32 / x,
            Kind::Erf => x.erf(),
            Kind::Clip => {
                let raised = select(x < low, low, x);
                select(raised > high, high, raised)
            }
        };
    }
}

#[cube(launch)]
fn derivative_kernel(
    x: &Tensor<f32>,
    gradient: &Tensor<f32>,
    y: &mut Tensor<f32>,
    low: f32,
    high: f32,
    count: u32,
    #[comptime] kind: Kind,
) {
    if (ABSOLUTE_POS as u32) < count {
        let x = x[ABSOLUTE_POS];
        let slope = match comptime!(kind) {
            Kind::Neg => f32::new(-1.0),
            Kind::Abs => select(x > 0.0f32, 1.0f32, select(x < 0.0f32, -1.0f32, 0.0f32)),
            Kind::Exp => x.exp(),
            Kind::Log => 1.0f32 / x,
            Kind::Sqrt => 0.5f32 / x.sqrt(),
            Kind::Reciprocal => -1.0f32 / (x * x),
            Kind::Erf => f32::new(FRAC_2_SQRT_PI) * (-(x * x)).exp(),
            Kind::Clip => select(x >= low && x <= high, 1.0f32, 0.0f32),
        };
        y[ABSOLUTE_POS] = gradient[ABSOLUTE_POS] * slope;
    }
}

pub(crate) fn value(gpu: &Gpu, x: &Values, function: Unary) -> Values {
    let y = gpu.empty(x.len());
    let (cubes, units) = gpu.units(x.len());
    let (kind, low, high) = kind(function);
    let count = x.len() as u32;
    value_kernel::launch(
        gpu.client(),
        cubes,
        units,
        x.arg(),
        y.arg(),
        low,
        high,
        count,
        kind,
    );
    y
}

/// The gradient at the input `x`.
pub(crate) fn gradient(gpu: &Gpu, x: &Values, gradient: &Values, function: Unary) -> Values {
    let y = gpu.empty(x.len());
    let (cubes, units) = gpu.units(x.len());
    let (kind, low, high) = kind(function);
    let count = x.len() as u32;
    let (x, g) = (x.arg(), gradient.arg());
    derivative_kernel::launch(
        gpu.client(),
        cubes,
        units,
        x,
        g,
        y.arg(),
        low,
        high,
        count,
        kind,
    );
    y
}
