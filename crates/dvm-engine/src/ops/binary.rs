//! Arithmetic on two tensors with broadcasting.

use rayon::prelude::*;

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::strided::{Path, broadcast, broadcast_steps, spread, summed_to};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK,
    map, map2, map2_into,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::vectorised;

/// `f(a, b)` at every value, with broadcasting as in NumPy. `a` is the first input; `b` is the second input,
/// a parameter or a constant. (Sums and products of whole feature maps are separate ops, [`super::add::Add`]
/// and [`super::mul::Mul`].)
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The function.
    pub function: Function,
    /// The second operand.
    pub other: Other,
    /// Whether the operands are swapped: `f(b, a)`.
    pub swapped: bool,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b
    Div,
    /// aᵇ
    Pow,
    /// The smaller.
    Min,
    /// The larger.
    Max,
}

/// The second operand of a [`Binary`].
#[derive(Clone, Debug, PartialEq)]
pub enum Other {
    /// The second input.
    Input,
    /// The only parameter.
    Parameter,
    /// A constant, which is not trained.
    Constant(Tensor),
}

impl Function {
    /// The function.
    #[inline(always)]
    pub fn value(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow if b == 2.0 => a * a,
            Self::Pow => a.powf(b),
            // NaN stays NaN.
            Self::Min if b < a || b.is_nan() => b,
            Self::Max if b > a || b.is_nan() => b,
            Self::Min | Self::Max => a,
        }
    }

    /// Its derivatives by `a` and by `b`; for the minimum or maximum of equal values, half to each.
    fn derivatives(self, a: f32, b: f32) -> (f32, f32) {
        let chosen = |first: bool| match (a == b, first) {
            (true, _) => (0.5, 0.5),
            (false, true) => (1.0, 0.0),
            (false, false) => (0.0, 1.0),
        };
        match self {
            Self::Add => (1.0, 1.0),
            Self::Sub => (1.0, -1.0),
            Self::Mul => (b, a),
            Self::Div => (1.0 / b, -a / (b * b)),
            // A constant, even at 0.
            Self::Pow if b == 0.0 => (0.0, if a > 0.0 { a.ln() } else { 0.0 }),
            Self::Pow => {
                let by_b = if a > 0.0 { a.powf(b) * a.ln() } else { 0.0 };
                (b * a.powf(b - 1.0), by_b)
            }
            Self::Min => chosen(a < b),
            Self::Max => chosen(a > b),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Add => "sum",
            Self::Sub => "difference",
            Self::Mul => "product",
            Self::Div => "quotient",
            Self::Pow => "power",
            Self::Min => "minimum",
            Self::Max => "maximum",
        }
    }
}

impl Binary {
    /// A function of two inputs.
    pub fn inputs(function: Function) -> Self {
        Self {
            function,
            other: Other::Input,
            swapped: false,
        }
    }

    /// A function of an input and a parameter.
    pub fn parameter(function: Function) -> Self {
        Self {
            other: Other::Parameter,
            ..Self::inputs(function)
        }
    }

    /// A function of an input and a constant.
    pub fn constant(function: Function, constant: Tensor) -> Self {
        Self {
            other: Other::Constant(constant),
            ..Self::inputs(function)
        }
    }

    fn other<'a>(&'a self, inputs: &[&'a Tensor], parameters: &[&'a Tensor]) -> &'a Tensor {
        match &self.other {
            Other::Input => inputs[1],
            Other::Parameter => parameters[0],
            Other::Constant(constant) => constant,
        }
    }

    #[inline(always)]
    fn value(&self, a: f32, b: f32) -> f32 {
        if self.swapped {
            self.function.value(b, a)
        } else {
            self.function.value(a, b)
        }
    }

    fn derivatives(&self, a: f32, b: f32) -> (f32, f32) {
        if self.swapped {
            let (b, a) = self.function.derivatives(b, a);
            (a, b)
        } else {
            self.function.derivatives(a, b)
        }
    }
}

/// `f(a, b)` in the shape that both are broadcast to.
pub(super) fn zipped(
    a: &Tensor,
    b: &Tensor,
    shape: &[usize],
    f: impl Fn(f32, f32) -> f32 + Sync,
) -> Tensor {
    if a.shape() == b.shape() {
        return map2(a, b, f);
    }
    let (by_a, by_b) = (
        broadcast_steps(a.shape(), shape),
        broadcast_steps(b.shape(), shape),
    );
    let path = Path::new(shape);
    let len = path.row_len();
    let (step_a, step_b) = (path.row_step(&by_a), path.row_step(&by_b));
    let mut output = Buffer::unspecified(shape.iter().product());
    if output.is_empty() {
        return Tensor::from_buffer(shape, output);
    }
    let rows = (TASK / len).max(1);
    output
        .par_chunks_mut(rows * len)
        .enumerate()
        .for_each(|(task, output)| {
            let by_row = || {
                for (row, values) in output.chunks_exact_mut(len).enumerate() {
                    let row = task * rows + row;
                    let a = &a.data()[path.row_start(row, &by_a)..];
                    let b = &b.data()[path.row_start(row, &by_b)..];
                    match (step_a, step_b) {
                        (1, 1) => {
                            for ((o, &a), &b) in values.iter_mut().zip(a).zip(b) {
                                *o = f(a, b);
                            }
                        }
                        (1, 0) => {
                            for (o, &a) in values.iter_mut().zip(a) {
                                *o = f(a, b[0]);
                            }
                        }
                        _ => {
                            for (index, o) in values.iter_mut().enumerate() {
                                *o = f(a[index * step_a], b[index * step_b]);
                            }
                        }
                    }
                }
            };
            vectorised(by_row);
        });
    Tensor::from_buffer(shape, output)
}

/// Whether values of this shape, broadcast to feature maps, are the same for all pictures and pixels.
pub(super) fn is_flat(shape: &[usize]) -> bool {
    let axes = (0..4).rev().zip(shape.iter().rev());
    shape.len() <= 4 && axes.into_iter().all(|(axis, &side)| axis == 1 || side == 1)
}

impl Op for Binary {
    fn kind(&self) -> &'static str {
        self.function.name()
    }

    fn class(&self) -> Class {
        match (self.function, &self.other) {
            (Function::Add, Other::Input) => Class::Sum,
            _ => Class::Arithmetic,
        }
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::broadcast(input, node, None)
    }

    fn is_affine(&self) -> bool {
        let is_fixed = self.other != Other::Input;
        match self.function {
            Function::Add | Function::Sub => true,
            Function::Mul => is_fixed,
            Function::Div => is_fixed && !self.swapped,
            Function::Pow | Function::Min | Function::Max => false,
        }
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        match (&self.other, inputs, parameters) {
            (Other::Parameter, [[_, tokens, d]], [[1, positions, e]])
                if tokens != positions && *positions > 1 && d == e =>
            {
                Err(format!(
                    "has positions for {positions} tokens, but the input has {tokens}: this network accepts \
                     only the input size that it was made for"
                ))
            }
            (Other::Input, [a, b], []) | (Other::Parameter, [a], [b]) => broadcast(a, b),
            (Other::Constant(b), [a], []) => broadcast(a, b.shape()),
            _ => Err(format!(
                "expects two operands, not {inputs:?} and {parameters:?}"
            )),
        }
    }

    fn bounds(&self, inputs: &[Bounds], parameters: &[&Tensor]) -> Bounds {
        let other = match &self.other {
            Other::Input => inputs[1],
            Other::Parameter => Bounds::of(parameters[0].data()),
            Other::Constant(constant) => Bounds::of(constant.data()),
        };
        let (a, b) = match self.swapped {
            false => (inputs[0], other),
            true => (other, inputs[0]),
        };
        match self.function {
            // A quotient is unbounded near a divisor of 0.
            Function::Div if b.low <= 0.0 && b.high >= 0.0 => Bounds::ALL,
            Function::Pow if a.low < 0.0 || b.low < 0.0 => Bounds::ALL,
            function => a.between(b, |a, b| function.value(a, b)),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let a = call.inputs[0];
        let b = self.other(call.inputs, call.parameters);
        let shape = call.output_shape;
        // The function is chosen outside of the loop where that saves time.
        match (self.function, self.swapped) {
            (Function::Add, _) => zipped(a, b, shape, |a, b| a + b),
            (Function::Mul, _) => zipped(a, b, shape, |a, b| a * b),
            (Function::Sub, false) => zipped(a, b, shape, |a, b| a - b),
            (Function::Div, false) => zipped(a, b, shape, |a, b| a / b),
            _ => zipped(a, b, shape, |a, b| self.value(a, b)),
        }
        .into()
    }

    fn needs(&self) -> Needs {
        match self.function {
            Function::Add | Function::Sub => Needs::NOTHING,
            _ => Needs::INPUTS,
        }
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let a = call.inputs[0];
        let b = self.other(call.inputs, call.parameters);
        let shape = grad_output.shape().to_vec();
        let gradient = |first: bool| {
            let by_operand = |a: f32, b: f32| {
                let (by_a, by_b) = self.derivatives(a, b);
                if first { by_a } else { by_b }
            };
            let whole = match self.function {
                // The operands may have been released.
                Function::Add => grad_output.clone(),
                Function::Sub => {
                    let sign = by_operand(0.0, 0.0);
                    map(&grad_output, |g| sign * g)
                }
                _ => {
                    let slope = zipped(&spread(a, &shape), &spread(b, &shape), &shape, by_operand);
                    map2_into(slope, &grad_output, |slope, g| slope * g)
                }
            };
            summed_to(&whole, if first { a.shape() } else { b.shape() })
        };
        let wants_other = match self.other {
            Other::Input => call.wants_input[1],
            Other::Parameter => call.wants_parameter[0],
            Other::Constant(_) => false,
        };
        let mut gradients = Gradients {
            inputs: vec![call.wants_input[0].then(|| gradient(true))],
            parameters: Vec::new(),
        };
        let other = wants_other.then(|| gradient(false));
        match self.other {
            Other::Input => gradients.inputs.push(other),
            Other::Parameter => gradients.parameters.push(other),
            Other::Constant(_) => {}
        }
        Ok(gradients)
    }

    fn reach(&self, input: usize, inputs: &[&[usize]], parameters: &[&[usize]]) -> Reach {
        let own = inputs[input];
        let pointwise = own.len() == 4
            && match &self.other {
                Other::Parameter => is_flat(parameters[0]),
                Other::Constant(constant) => is_flat(constant.shape()),
                Other::Input => {
                    let other = inputs[1 - input];
                    other.len() == 4 && (other[2..] == own[2..] || other[2..] == [1, 1])
                }
            };
        if pointwise {
            Reach::Pointwise
        } else {
            Reach::Everything
        }
    }
}
