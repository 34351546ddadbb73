//! The fully connected layer.

use rayon::prelude::*;

use super::matmul::{Matrix, matmul};
use super::{Call, Gradients, Op, Outcome, Site, channel_sums};
use crate::Tensor;

/// `x · Wᵀ + b` for `x` `[N, I]`, weights `[O, I]` and, if there is a second parameter, a bias
/// `[O]`.
#[derive(Clone, Copy, Debug)]
pub struct Linear;

/// Output columns of one task.
const COLUMNS: usize = 128;

/// `a · b` for `a` `[m, k]`, split by the columns of `b` so that a single row keeps several cores
/// busy; always the same blocks, whatever the number of threads.
fn product(a: &[f32], b: Matrix, (m, n, k): (usize, usize, usize)) -> Vec<f32> {
    let blocks: Vec<Vec<f32>> = (0..n.div_ceil(COLUMNS))
        .into_par_iter()
        .map(|block| {
            let first = block * COLUMNS;
            let count = COLUMNS.min(n - first);
            let part = Matrix {
                values: &b.values[first * b.column_stride..],
                ..b
            };
            let mut c = vec![0.0; m * count];
            matmul(
                (m, count, k),
                Matrix::rows(a, k),
                part,
                &mut c,
                count,
                false,
            );
            c
        })
        .collect();
    let mut c = vec![0.0; m * n];
    for (row, values) in c.chunks_exact_mut(n).enumerate() {
        for (part, block) in values.chunks_mut(COLUMNS).zip(&blocks) {
            let count = part.len();
            part.copy_from_slice(&block[row * count..][..count]);
        }
    }
    c
}

impl Op for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        let (o, i) = match parameters {
            [[o, i]] => (*o, *i),
            [[o, i], [b]] if b == o => (*o, *i),
            _ => {
                return Err(format!(
                    "takes a weight [O, I] and perhaps a bias [O], not {parameters:?}"
                ));
            }
        };
        match inputs {
            [[n, d]] if *d == i && *d > 0 => Ok(vec![*n, o]),
            _ => Err(format!("takes [N, {i}], not {inputs:?}")),
        }
    }

    fn prepare(&self, parameters: &[&Tensor]) -> Option<Tensor> {
        let &[o, i] = parameters[0].shape() else {
            unreachable!("output_shape checked the rank");
        };
        // [O, I] => [I, O]: a row of the product then reads contiguous weights.
        let mut prepared = vec![0.0; o * i];
        for (row, weights) in parameters[0].data().chunks_exact(i).enumerate() {
            for (column, &weight) in weights.iter().enumerate() {
                prepared[column * o + row] = weight;
            }
        }
        Some(Tensor::from_stored(&[i, o], prepared))
    }

    fn forward(&self, call: &Call) -> Outcome {
        let &[n, i] = call.inputs[0].shape() else {
            unreachable!("output_shape checked the rank");
        };
        let o = call.output_shape[1];
        let weights = call.prepared.expect("a linear layer prepares its weights");
        let mut output = product(
            call.inputs[0].data(),
            Matrix::rows(weights.data(), o),
            (n, o, i),
        );
        if let Some(bias) = call.parameters.get(1) {
            for row in output.chunks_exact_mut(o) {
                for (value, b) in row.iter_mut().zip(bias.data()) {
                    *value += b;
                }
            }
        }
        Tensor::from_stored(call.output_shape, output).into()
    }

    fn backward(&self, site: &Site, grad_output: &Tensor) -> Result<Gradients, String> {
        let (x, weight) = (site.inputs[0], site.parameters[0]);
        let &[o, i] = weight.shape() else {
            unreachable!("output_shape checked the rank");
        };
        let n = x.shape()[0];
        let mut gradients = Gradients {
            inputs: vec![None],
            parameters: vec![None; site.parameters.len()],
        };
        if site.wants_input[0] {
            let g = product(
                grad_output.data(),
                Matrix::rows(weight.data(), i),
                (n, i, o),
            );
            gradients.inputs[0] = Some(Tensor::from_stored(x.shape(), g));
        }
        if site.wants_parameter[0] {
            let mut g = vec![0.0; o * i];
            matmul(
                (o, i, n),
                Matrix::rows(grad_output.data(), o).transposed(),
                Matrix::rows(x.data(), i),
                &mut g,
                i,
                false,
            );
            gradients.parameters[0] = Some(Tensor::from_stored(weight.shape(), g));
        }
        if site.wants_parameter.get(1) == Some(&true) {
            gradients.parameters[1] = Some(channel_sums(grad_output));
        }
        Ok(gradients)
    }
}
