//! Functions of single values, and of values and their channel.

use cubecl::prelude::*;
use dvm_engine::ops::binary::Function;

use crate::kernels::activation::{Activate, activate, derivative};
use crate::kernels::copy::{View, position, sequence};
use crate::values::{Gpu, Values};

#[cube(launch)]
fn activate_kernel(x: &Tensor<f32>, y: &mut Tensor<f32>, count: u32, #[comptime] how: Activate) {
    if (ABSOLUTE_POS as u32) < count {
        y[ABSOLUTE_POS] = activate(x[ABSOLUTE_POS], comptime!(how));
    }
}

/// How the gradient of an activation is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Back {
    /// `g · f′(x)`.
    True,
    /// `max(g, 0) · f′(x)`.
    Guided,
    /// `max(g, 0)`.
    Deconvnet,
}

#[cube(launch)]
fn activate_back_kernel(
    x: &Tensor<f32>,
    gradient: &Tensor<f32>,
    y: &mut Tensor<f32>,
    count: u32,
    #[comptime] how: Activate,
    #[comptime] back: Back,
) {
    if (ABSOLUTE_POS as u32) < count {
        let mut g = gradient[ABSOLUTE_POS];
        if comptime!(back != Back::True) {
            g = select(g < 0.0f32, 0.0f32, g);
        }
        if comptime!(back != Back::Deconvnet) {
            g *= derivative(x[ABSOLUTE_POS], comptime!(how));
        }
        y[ABSOLUTE_POS] = g;
    }
}

pub(crate) fn activated(gpu: &Gpu, x: &Values, how: Activate) -> Values {
    let y = gpu.empty(x.len());
    let (cubes, units) = gpu.units(x.len());
    activate_kernel::launch(
        gpu.client(),
        cubes,
        units,
        x.arg(),
        y.arg(),
        x.len() as u32,
        how,
    );
    y
}

/// The gradient at the input `x` of an activation.
pub(crate) fn activated_back(
    gpu: &Gpu,
    (x, gradient): (&Values, &Values),
    how: Activate,
    back: Back,
) -> Values {
    let y = gpu.empty(x.len());
    let (cubes, units) = gpu.units(x.len());
    let count = x.len() as u32;
    let (x, gradient) = (x.arg(), gradient.arg());
    activate_back_kernel::launch(
        gpu.client(),
        cubes,
        units,
        x,
        gradient,
        y.arg(),
        count,
        how,
        back,
    );
    y
}

/// A function of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pair {
    Add,
    Subtract,
    Multiply,
    Divide,
    Minimum,
    Maximum,
    /// 1 where the first is smaller, 1/2 where both are equal, else 0.
    Less,
    /// 1 where both are equal, else 0.
    Equal,
    /// The first where it is not negative, else the product.
    Leaky,
    /// 1 where the first is positive, else the second.
    LeakySlope,
    /// 0 where the first is positive, else the product.
    Below,
}

impl Pair {
    /// The function of an op, if it is one of these.
    pub fn of(function: Function) -> Option<Self> {
        Some(match function {
            Function::Add => Self::Add,
            Function::Sub => Self::Subtract,
            Function::Mul => Self::Multiply,
            Function::Div => Self::Divide,
            Function::Min => Self::Minimum,
            Function::Max => Self::Maximum,
            Function::Pow => return None,
        })
    }
}

#[cube]
fn of_pair(a: f32, b: f32, #[comptime] pair: Pair) -> f32 {
    match comptime!(pair) {
        Pair::Add => a + b,
        Pair::Subtract => a - b,
        Pair::Multiply => a * b,
        Pair::Divide => a / b,
        Pair::Minimum => select(b < a, b, a),
        Pair::Maximum => select(b > a, b, a),
        Pair::Less => select(a < b, 1.0f32, select(a == b, 0.5f32, 0.0f32)),
        Pair::Equal => select(a == b, 1.0f32, 0.0f32),
        Pair::Leaky => select(a < 0.0f32, b * a, a),
        Pair::LeakySlope => select(a > 0.0f32, 1.0f32, b),
        Pair::Below => select(a > 0.0f32, 0.0f32, a * b),
    }
}

#[cube(launch)]
fn pair_kernel(
    a: &Tensor<f32>,
    b: &Tensor<f32>,
    y: &mut Tensor<f32>,
    count: u32,
    #[comptime] pair: Pair,
) {
    if (ABSOLUTE_POS as u32) < count {
        y[ABSOLUTE_POS] = of_pair(a[ABSOLUTE_POS], b[ABSOLUTE_POS], comptime!(pair));
    }
}

/// The function of two arrays of the same shape.
pub(crate) fn paired(gpu: &Gpu, a: &Values, b: &Values, pair: Pair) -> Values {
    let y = gpu.empty(a.len());
    let (cubes, units) = gpu.units(a.len());
    let count = a.len() as u32;
    pair_kernel::launch(
        gpu.client(),
        cubes,
        units,
        a.arg(),
        b.arg(),
        y.arg(),
        count,
        pair,
    );
    y
}

#[cube(launch)]
fn stretched_kernel(
    a: &Tensor<f32>,
    b: &Tensor<f32>,
    y: &mut Tensor<f32>,
    shape: Sequence<u32>,
    a_steps: Sequence<u32>,
    b_steps: Sequence<u32>,
    y_steps: Sequence<u32>,
    count: u32,
    #[comptime] pair: Pair,
) {
    let number = ABSOLUTE_POS as u32;
    if number < count {
        let first = a[position(number, &shape, &a_steps) as usize];
        let second = b[position(number, &shape, &b_steps) as usize];
        y[position(number, &shape, &y_steps) as usize] = of_pair(first, second, comptime!(pair));
    }
}

/// The function of two arrays, each stretched to `shape` by its view, as stored for `shape`.
pub(crate) fn paired_stretched(
    gpu: &Gpu,
    (a, a_view): (&Values, &View),
    (b, b_view): (&Values, &View),
    shape: &[usize],
    pair: Pair,
) -> Values {
    let count = shape.iter().product();
    let y = gpu.empty(count);
    let (cubes, units) = gpu.units(count);
    stretched_kernel::launch(
        gpu.client(),
        cubes,
        units,
        a.arg(),
        b.arg(),
        y.arg(),
        sequence(shape),
        sequence(&a_view.steps),
        sequence(&b_view.steps),
        sequence(&View::of(shape).steps),
        count as u32,
        pair,
    );
    y
}

#[cube(launch)]
fn channels_kernel(
    x: &Tensor<f32>,
    other: &Tensor<f32>,
    factor: &Tensor<f32>,
    other_factor: &Tensor<f32>,
    shift: &Tensor<f32>,
    y: &mut Tensor<f32>,
    channels: u32,
    count: u32,
    #[comptime] form: ChannelForm,
) {
    let at = ABSOLUTE_POS as u32;
    if at < count {
        let channel = (at % channels) as usize;
        let mut value = x[ABSOLUTE_POS] * factor[channel];
        if comptime!(form.shift) {
            value += shift[channel];
        }
        if comptime!(form.other_factor) {
            value += other[ABSOLUTE_POS] * other_factor[channel];
        } else if comptime!(form.other) {
            value += other[ABSOLUTE_POS];
        }
        y[ABSOLUTE_POS] = activate(value, comptime!(form.activation));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChannelForm {
    shift: bool,
    other: bool,
    other_factor: bool,
    activation: Activate,
}

/// `activation(x · factor + shift + other · other_factor)`, with one factor and shift for each channel. The
/// channels are the innermost axis.
#[derive(Clone, Copy)]
pub(crate) struct PerChannel<'a> {
    pub factor: &'a Values,
    pub shift: Option<&'a Values>,
    pub other: Option<&'a Values>,
    pub other_factor: Option<&'a Values>,
    pub activation: Activate,
}

impl<'a> PerChannel<'a> {
    pub fn scaled(factor: &'a Values) -> Self {
        Self {
            factor,
            shift: None,
            other: None,
            other_factor: None,
            activation: Activate::default(),
        }
    }

    pub fn of(&self, gpu: &Gpu, x: &Values) -> Values {
        let y = gpu.empty(x.len());
        let (cubes, units) = gpu.units(x.len());
        channels_kernel::launch(
            gpu.client(),
            cubes,
            units,
            x.arg(),
            self.other.unwrap_or(x).arg(),
            self.factor.arg(),
            self.other_factor.unwrap_or(x).arg(),
            self.shift.unwrap_or(x).arg(),
            y.arg(),
            self.factor.len() as u32,
            x.len() as u32,
            ChannelForm {
                shift: self.shift.is_some(),
                other: self.other.is_some(),
                other_factor: self.other_factor.is_some(),
                activation: self.activation,
            },
        );
        y
    }
}

#[cube(launch)]
fn affine_kernel(x: &Tensor<f32>, y: &mut Tensor<f32>, factor: f32, shift: f32, count: u32) {
    if (ABSOLUTE_POS as u32) < count {
        y[ABSOLUTE_POS] = x[ABSOLUTE_POS] * factor + shift;
    }
}

/// `x · factor + shift`.
pub(crate) fn affine(gpu: &Gpu, x: &Values, factor: f32, shift: f32) -> Values {
    let y = gpu.empty(x.len());
    let (cubes, units) = gpu.units(x.len());
    let count = x.len() as u32;
    affine_kernel::launch(
        gpu.client(),
        cubes,
        units,
        x.arg(),
        y.arg(),
        factor,
        shift,
        count,
    );
    y
}
