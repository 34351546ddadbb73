//! Sums, products and other functions of two values, and factors per channel.

use dvm_engine::Tensor;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::scale::Scale;
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients};

use super::{OnGpu, summed_to};
use crate::kernels::copy::{View, gathered};
use crate::kernels::pointwise::{Pair, PerChannel, affine, paired, paired_stretched};
use crate::kernels::reduce::channel_sums;
use crate::values::{Gpu, Values};

/// The function of two tensors that are stretched to `shape`.
fn stretched(gpu: &Gpu, a: &Tensor, b: &Tensor, shape: &[usize], pair: Pair) -> Values {
    let values = (gpu.of(a), gpu.of(b));
    if a.shape() == shape && b.shape() == shape {
        return paired(gpu, &values.0, &values.1, pair);
    }
    let views = [a, b].map(|tensor| View::stretched(tensor.shape(), shape));
    paired_stretched(
        gpu,
        (&values.0, &views[0]),
        (&values.1, &views[1]),
        shape,
        pair,
    )
}

impl OnGpu for Add {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let (a, b) = (gpu.of(call.inputs[0]), gpu.of(call.inputs[1]));
        super::value(paired(gpu, &a, &b, Pair::Add), call.output_shape)
    }

    fn backward(&self, _: &Gpu, _: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        Some(Gradients {
            inputs: vec![Some(gradient.clone()), Some(gradient.clone())],
            parameters: Vec::new(),
        })
    }
}

impl OnGpu for Mul {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let (a, b) = (call.inputs[0], call.inputs[1]);
        super::value(
            stretched(gpu, a, b, call.output_shape, Pair::Multiply),
            call.output_shape,
        )
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let shape = gradient.shape();
        let of = |index: usize| {
            let (own, other) = (call.inputs[index], call.inputs[1 - index]);
            let whole = stretched(gpu, gradient, other, shape, Pair::Multiply);
            summed_to(gpu, &whole, shape, own.shape()).tensor(own.shape())
        };
        Some(Gradients {
            inputs: (0..2).map(|i| call.wants_input[i].then(|| of(i))).collect(),
            parameters: Vec::new(),
        })
    }
}

fn other<'a>(op: &'a Binary, inputs: &[&'a Tensor], parameters: &[&'a Tensor]) -> &'a Tensor {
    match &op.other {
        Other::Input => inputs[1],
        Other::Parameter => parameters[0],
        Other::Constant(constant) => constant,
    }
}

impl OnGpu for Binary {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let pair = Pair::of(self.function)?;
        let (a, b) = (call.inputs[0], other(self, call.inputs, call.parameters));
        let (a, b) = if self.swapped { (b, a) } else { (a, b) };
        let y = stretched(gpu, a, b, call.output_shape, pair);
        super::value(y, call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        // Of the others, the CPU computes the gradients.
        if self.function == Function::Pow {
            return None;
        }
        let b = other(self, call.inputs, call.parameters);
        let operands = match self.swapped {
            false => [call.inputs[0], b],
            true => [b, call.inputs[0]],
        };
        let shape = gradient.shape();
        // The gradient of the function's first or second operand.
        let of = |first: bool| {
            let (own, opposite) = match first {
                true => (operands[0], operands[1]),
                false => (operands[1], operands[0]),
            };
            let g = gpu.of(gradient);
            let times = |slope: &Values| paired(gpu, &g, slope, Pair::Multiply);
            let whole = match (self.function, first) {
                (Function::Add, _) | (Function::Sub, true) => g.clone(),
                (Function::Sub, false) => affine(gpu, &g, -1.0, 0.0),
                (Function::Mul, _) => stretched(gpu, gradient, opposite, shape, Pair::Multiply),
                (Function::Div, true) => stretched(gpu, gradient, opposite, shape, Pair::Divide),
                (Function::Div, false) => {
                    // −a / b².
                    let quotient = stretched(gpu, opposite, own, shape, Pair::Divide).tensor(shape);
                    let slope = stretched(gpu, &quotient, own, shape, Pair::Divide);
                    affine(gpu, &times(&slope), -1.0, 0.0)
                }
                (Function::Min, _) => times(&stretched(gpu, own, opposite, shape, Pair::Less)),
                (Function::Max, _) => times(&stretched(gpu, opposite, own, shape, Pair::Less)),
                (Function::Pow, _) => unreachable!("left to the CPU"),
            };
            summed_to(gpu, &whole, shape, own.shape()).tensor(own.shape())
        };
        let wants_other = match self.other {
            Other::Input => call.wants_input[1],
            Other::Parameter => call.wants_parameter[0],
            Other::Constant(_) => false,
        };
        let of_other = wants_other.then(|| of(self.swapped));
        let mut gradients = Gradients {
            inputs: vec![call.wants_input[0].then(|| of(!self.swapped))],
            parameters: Vec::new(),
        };
        match self.other {
            Other::Input => gradients.inputs.push(of_other),
            Other::Parameter => gradients.parameters.push(of_other),
            Other::Constant(_) => {}
        }
        Some(gradients)
    }
}

impl OnGpu for Scale {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let (x, factor) = (gpu.of(call.inputs[0]), gpu.of(call.parameters[0]));
        super::value(PerChannel::scaled(&factor).of(gpu, &x), call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let (g, factors) = (gpu.of(gradient), call.parameters[0]);
        let of_input = call.wants_input[0].then(|| {
            let scaled = PerChannel::scaled(&gpu.of(factors)).of(gpu, &g);
            scaled.tensor(gradient.shape())
        });
        let of_factor = call.wants_parameter[0].then(|| {
            let x = gpu.of(call.inputs[0]);
            channel_sums(gpu, &x, Some(&g), factors.len()).tensor(factors.shape())
        });
        Some(Gradients {
            inputs: vec![of_input],
            parameters: vec![of_factor],
        })
    }
}

impl OnGpu for ChannelAffine {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let (factor, shift) = (gpu.upload(&self.factor), gpu.upload(&self.shift));
        let affine = PerChannel {
            shift: Some(&shift),
            ..PerChannel::scaled(&factor)
        };
        super::value(affine.of(gpu, &gpu.of(call.inputs[0])), call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, _: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let factor = gpu.upload(&self.factor);
        let scaled = PerChannel::scaled(&factor).of(gpu, &gpu.of(gradient));
        super::gradient(scaled, gradient.shape())
    }
}

/// A tensor stretched to another shape, as stored.
pub(super) fn spread(gpu: &Gpu, values: &Values, from: &[usize], shape: &[usize]) -> Values {
    if from == shape {
        return values.clone();
    }
    gathered(gpu, values, &View::stretched(from, shape), shape)
}
