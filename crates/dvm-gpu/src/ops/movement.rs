//! Ops that move values: other shapes and orders, parts, borders, repetitions.

use dvm_engine::Tensor;
use dvm_engine::ops::channel_shuffle::ChannelShuffle;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::input::Input;
use dvm_engine::ops::pad::{CropLike, Pad};
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::repeat::Repeat;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::tokens::{Grid, Tokens};
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients};

use super::arithmetic::spread;
use super::{OnGpu, from_rows, in_rows, summed_to};
use crate::kernels::copy::{View, copy, filled, gathered};
use crate::values::{Gpu, Values};

impl OnGpu for Input {
    fn forward(&self, _: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        Some(call.inputs[0].clone().into())
    }

    fn backward(&self, _: &Gpu, _: &BackwardCall, _: &Tensor) -> Option<Gradients> {
        None
    }
}

/// The values in row-major order under another shape.
fn reshaped(gpu: &Gpu, x: &Tensor, shape: &[usize]) -> Values {
    if x.shape() == shape {
        return gpu.of(x);
    }
    let rows = in_rows(gpu, &gpu.of(x), x.shape());
    from_rows(gpu, &rows, shape)
}

impl OnGpu for Flatten {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        super::value(
            reshaped(gpu, call.inputs[0], call.output_shape),
            call.output_shape,
        )
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let shape = call.inputs[0].shape();
        super::gradient(reshaped(gpu, gradient, shape), shape)
    }
}

impl OnGpu for Reshape {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        Flatten.forward(gpu, call)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        OnGpu::backward(&Flatten, gpu, call, gradient)
    }
}

impl OnGpu for Tokens {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        // Feature maps are already stored in this order.
        super::value(gpu.of(call.inputs[0]), call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        super::gradient(gpu.of(gradient), call.inputs[0].shape())
    }
}

impl OnGpu for Grid {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        super::value(gpu.of(call.inputs[0]), call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        super::gradient(gpu.of(gradient), call.inputs[0].shape())
    }
}

impl OnGpu for Permute {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let x = call.inputs[0];
        let own = View::of(x.shape()).steps;
        let view = View {
            first: 0,
            steps: self.axes.iter().map(|&axis| own[axis]).collect(),
        };
        let y = gathered(gpu, &gpu.of(x), &view, call.output_shape);
        super::value(y, call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let own = View::of(gradient.shape()).steps;
        let mut steps = vec![0; own.len()];
        for (to, &from) in self.axes.iter().enumerate() {
            steps[from] = own[to];
        }
        let shape = call.inputs[0].shape();
        let found = gathered(gpu, &gpu.of(gradient), &View { first: 0, steps }, shape);
        super::gradient(found, shape)
    }
}

/// Channels as a matrix with this many rows, transposed.
fn transposed(gpu: &Gpu, x: &Tensor, rows: usize) -> Values {
    let channels = x.shape()[1];
    let columns = channels / rows;
    let shape = [x.len() / channels, columns, rows];
    let view = View {
        first: 0,
        steps: vec![channels, 1, columns],
    };
    gathered(gpu, &gpu.of(x), &view, &shape)
}

impl OnGpu for ChannelShuffle {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        super::value(
            transposed(gpu, call.inputs[0], self.groups),
            call.output_shape,
        )
    }

    fn backward(&self, gpu: &Gpu, _: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let rows = gradient.shape()[1] / self.groups;
        super::gradient(transposed(gpu, gradient, rows), gradient.shape())
    }
}

impl OnGpu for Concat {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let shape = call.output_shape;
        let y = gpu.empty(shape.iter().product());
        let mut to = View::of(shape);
        for input in call.inputs {
            let own = input.shape();
            copy(gpu, (&gpu.of(input), &View::of(own)), (&y, &to), own);
            to.first += own[self.axis] * to.steps[self.axis];
        }
        super::value(y, shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let g = gpu.of(gradient);
        let mut from = View::of(gradient.shape());
        let mut gradients = Gradients::default();
        for (input, wanted) in call.inputs.iter().zip(call.wants_input) {
            let own = input.shape();
            let found = wanted.then(|| gathered(gpu, &g, &from, own).tensor(own));
            gradients.inputs.push(found);
            from.first += own[self.axis] * from.steps[self.axis];
        }
        Some(gradients)
    }
}

/// Zeros of this shape, with these values in a view.
fn within_zeros(
    gpu: &Gpu,
    values: &Values,
    (view, own): (&View, &[usize]),
    shape: &[usize],
) -> Values {
    let to = filled(gpu, shape.iter().product(), 0.0);
    copy(gpu, (values, &View::of(own)), (&to, view), own);
    to
}

fn sliced(op: &Slice, shape: &[usize]) -> View {
    let mut view = View::of(shape);
    view.first = op.start * view.steps[op.axis];
    // A step beyond the axis is never taken.
    view.steps[op.axis] *= op.step.min(shape[op.axis]);
    view
}

impl OnGpu for Slice {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let x = call.inputs[0];
        let view = sliced(self, x.shape());
        let y = gathered(gpu, &gpu.of(x), &view, call.output_shape);
        super::value(y, call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let shape = call.inputs[0].shape();
        let part = (&sliced(self, shape), gradient.shape());
        super::gradient(within_zeros(gpu, &gpu.of(gradient), part, shape), shape)
    }
}

/// Where the input of a pad is in its value of this shape.
fn inside(op: &Pad, input: &[usize], shape: &[usize]) -> View {
    let border = op.border(input[2], input[3]);
    let mut view = View::of(shape);
    view.first = border.top * view.steps[2] + border.left * view.steps[3];
    view
}

impl OnGpu for Pad {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let (x, shape) = (call.inputs[0], call.output_shape);
        let y = filled(gpu, shape.iter().product(), self.value);
        let (from, to) = (View::of(x.shape()), inside(self, x.shape(), shape));
        copy(gpu, (&gpu.of(x), &from), (&y, &to), x.shape());
        super::value(y, shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let shape = call.inputs[0].shape();
        let view = inside(self, shape, gradient.shape());
        super::gradient(gathered(gpu, &gpu.of(gradient), &view, shape), shape)
    }
}

impl OnGpu for CropLike {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let x = call.inputs[0];
        let y = gathered(gpu, &gpu.of(x), &View::of(x.shape()), call.output_shape);
        super::value(y, call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let shape = call.inputs[0].shape();
        let part = (&View::of(shape), gradient.shape());
        let found = within_zeros(gpu, &gpu.of(gradient), part, shape);
        Some(Gradients {
            inputs: vec![Some(found.tensor(shape)), None],
            parameters: Vec::new(),
        })
    }
}

impl OnGpu for Repeat {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let one = call.parameters[0];
        let y = spread(gpu, &gpu.of(one), one.shape(), call.output_shape);
        super::value(y, call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let own = call.parameters[0].shape();
        let sum = || summed_to(gpu, &gpu.of(gradient), gradient.shape(), own).tensor(own);
        Some(Gradients {
            inputs: vec![None],
            parameters: vec![call.wants_parameter[0].then(sum)],
        })
    }
}
