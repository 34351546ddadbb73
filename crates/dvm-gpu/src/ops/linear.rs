//! Linear layers, and products of matrices that are both values.

use dvm_engine::Tensor;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::linear::{FusedLinear, Linear};
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients};

use super::{OnGpu, from_rows, in_rows, summed_to};
use crate::kernels::copy::{View, copy};
use crate::kernels::product::{Finish, Matrix, Sliding, product};
use crate::kernels::reduce::channel_sums;
use crate::values::{Gpu, Values};

fn computed(
    gpu: &Gpu,
    call: &ForwardCall,
    activation: Option<Activation>,
) -> Option<ForwardResult> {
    let [o, i] = [call.parameters[0].shape()[0], call.parameters[0].shape()[1]];
    // The features are adjacent in every layout.
    let rows = call.inputs[0].len() / i;
    let (x, weight) = (gpu.of(call.inputs[0]), gpu.of(call.parameters[0]));
    let bias = call.parameters.get(1).map(|bias| gpu.of(bias));
    let residual = call.inputs.get(1).map(|residual| gpu.of(residual));
    let finish = Finish {
        bias: bias.as_ref(),
        residual: residual.as_ref(),
        activation: activation.into(),
    };
    let factors = (
        Matrix::stored(&x, [0, i, 1]),
        Matrix::stored(&weight, [0, 1, i]),
    );
    let y = product(gpu, factors, [1, rows, o, i], Sliding::default(), finish);
    super::value(y, call.output_shape)
}

impl OnGpu for Linear {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        computed(gpu, call, None)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let (x, weight) = (call.inputs[0], call.parameters[0]);
        let [o, i] = [weight.shape()[0], weight.shape()[1]];
        let rows = x.len() / i;
        let g = gpu.of(gradient);
        let (sliding, finish) = (Sliding::default(), Finish::default());
        let of_input = call.wants_input[0].then(|| {
            let weight = gpu.of(weight);
            let factors = (
                Matrix::stored(&g, [0, o, 1]),
                Matrix::stored(&weight, [0, i, 1]),
            );
            product(gpu, factors, [1, rows, i, o], sliding, finish).tensor(x.shape())
        });
        let of_weight = call.wants_parameter[0].then(|| {
            let values = gpu.of(x);
            let factors = (
                Matrix::stored(&g, [0, 1, o]),
                Matrix::stored(&values, [0, i, 1]),
            );
            product(gpu, factors, [1, o, i, rows], sliding, finish).tensor(weight.shape())
        });
        let mut parameters = vec![of_weight];
        if let Some(wanted) = call.wants_parameter.get(1) {
            parameters.push(wanted.then(|| channel_sums(gpu, &g, None, o).tensor(&[o])));
        }
        Some(Gradients {
            inputs: vec![of_input],
            parameters,
        })
    }
}

impl OnGpu for FusedLinear {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        computed(gpu, call, self.activation)
    }

    fn backward(&self, _: &Gpu, _: &BackwardCall, _: &Tensor) -> Option<Gradients> {
        // The CPU's form says why there is none.
        None
    }
}

/// A stack of matrices, row by row, with the axes before the last two stretched to `outer`.
fn stack(gpu: &Gpu, tensor: &Tensor, outer: &[usize]) -> Values {
    let shape = tensor.shape();
    let matrix = &shape[shape.len() - 2..];
    let to = [outer, matrix].concat();
    let values = gpu.of(tensor);
    if to == shape {
        return in_rows(gpu, &values, shape);
    }
    let stacked = gpu.empty(to.iter().product());
    let from = View::stretched(shape, &to);
    copy(gpu, (&values, &from), (&stacked, &View::rows(&to)), &to);
    stacked
}

impl OnGpu for BatchedProduct {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let (outer, matrix) = call.output_shape.split_at(call.output_shape.len() - 2);
        let [m, n] = [matrix[0], matrix[1]];
        let k = *call.inputs[0].shape().last()?;
        let a = stack(gpu, call.inputs[0], outer);
        let b = stack(gpu, call.inputs[1], outer);
        let factors = (
            Matrix::stored(&a, [m * k, k, 1]),
            Matrix::stored(&b, [k * n, n, 1]),
        );
        let size = [outer.iter().product(), m, n, k];
        let y = product(gpu, factors, size, Sliding::default(), Finish::default());
        super::value(from_rows(gpu, &y, call.output_shape), call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let (outer, matrix) = gradient.shape().split_at(gradient.shape().len() - 2);
        let [m, n] = [matrix[0], matrix[1]];
        let (a, b) = (call.inputs[0], call.inputs[1]);
        let k = *a.shape().last()?;
        let g = stack(gpu, gradient, outer);
        let count = outer.iter().product();
        let (sliding, finish) = (Sliding::default(), Finish::default());
        let summed = |rows: Values, side: [usize; 2], own: &Tensor| {
            let whole = [outer, &side].concat();
            let values = from_rows(gpu, &rows, &whole);
            summed_to(gpu, &values, &whole, own.shape()).tensor(own.shape())
        };
        let of_a = call.wants_input[0].then(|| {
            let b = stack(gpu, b, outer);
            let factors = (
                Matrix::stored(&g, [m * n, n, 1]),
                Matrix::stored(&b, [k * n, 1, n]),
            );
            let rows = product(gpu, factors, [count, m, k, n], sliding, finish);
            summed(rows, [m, k], a)
        });
        let of_b = call.wants_input[1].then(|| {
            let a = stack(gpu, a, outer);
            let factors = (
                Matrix::stored(&a, [m * k, 1, k]),
                Matrix::stored(&g, [m * n, n, 1]),
            );
            let rows = product(gpu, factors, [count, k, n, m], sliding, finish);
            summed(rows, [k, n], b)
        });
        Some(Gradients {
            inputs: vec![of_a, of_b],
            parameters: Vec::new(),
        })
    }
}
