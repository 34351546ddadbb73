//! Products of matrices that are both values of nodes.

use rayon::prelude::*;

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::matmul::{Matrix, matmul};
use super::strided::{broadcast, summed_to};
use super::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;

/// `a · b` of `[…, M, K]` and `[…, K, N]`; sides of 1 before the last two are broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchedProduct;

/// A stack of row-major matrices.
struct Stack<'a> {
    values: &'a [f32],
    /// The position of the matrix for each product.
    starts: Vec<usize>,
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl Stack<'_> {
    fn matrix(&self, index: usize) -> Matrix<'_> {
        let own = &self.values[self.starts[index]..][..self.rows * self.columns];
        let matrix = Matrix::rows(own, self.columns);
        if self.transposed {
            matrix.transposed()
        } else {
            matrix
        }
    }
}

/// The position of each matrix of a stack of shape `shape`, broadcast to a stack of shape `to`.
fn starts(shape: &[usize], to: &[usize]) -> Vec<usize> {
    let (outer, matrix) = shape.split_at(shape.len() - 2);
    let steps = row_major_steps(outer, to);
    let size: usize = matrix.iter().product();
    let count: usize = to.iter().product();
    (0..count)
        .map(|index| {
            let mut rest = index;
            let mut offset = 0;
            for axis in (0..to.len()).rev() {
                offset += rest % to[axis] * steps[axis];
                rest /= to[axis];
            }
            offset * size
        })
        .collect()
}

/// The steps of a broadcast from one shape to another, both row-major for any rank.
fn row_major_steps(from: &[usize], to: &[usize]) -> Vec<usize> {
    let missing = to.len() - from.len();
    let mut steps = vec![0; to.len()];
    let mut step = 1;
    for axis in (0..from.len()).rev() {
        steps[axis + missing] = if from[axis] == 1 { 0 } else { step };
        step *= from[axis];
    }
    steps
}

/// All products, row-major.
fn products(a: &Stack, b: &Stack, (m, n, k): (usize, usize, usize)) -> Vec<f32> {
    let mut c = vec![0.0; a.starts.len() * m * n];
    if m * n > 0 {
        c.par_chunks_exact_mut(m * n)
            .enumerate()
            .for_each(|(index, c)| {
                matmul((m, n, k), a.matrix(index), b.matrix(index), c, n, false);
            });
    }
    c
}

impl BatchedProduct {
    fn sizes(shape: &[usize]) -> (&[usize], usize, usize) {
        let (outer, matrix) = shape.split_at(shape.len() - 2);
        (outer, matrix[0], matrix[1])
    }
}

impl Op for BatchedProduct {
    fn kind(&self) -> &'static str {
        "matmul"
    }

    fn class(&self) -> Class {
        Class::MatrixProduct
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [a, b] if a.len() >= 2 && b.len() >= 2 => {
                let ((outer_a, m, k), (outer_b, rows, n)) = (Self::sizes(a), Self::sizes(b));
                if k != rows || k == 0 {
                    return Err(format!("multiplies […, M, K] by […, K, N], not {inputs:?}"));
                }
                let outer = broadcast(outer_a, outer_b)?;
                Ok([&outer[..], &[m, n]].concat())
            }
            _ => Err(format!("multiplies two stacks of matrices, not {inputs:?}")),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let (a, b) = (call.inputs[0], call.inputs[1]);
        let (outer, m, n) = Self::sizes(call.output_shape);
        let k = a.shape()[a.shape().len() - 1];
        let (a_values, b_values) = (a.to_nchw(), b.to_nchw());
        let stack = |values, shape: &[usize]| {
            let (_, rows, columns) = Self::sizes(shape);
            Stack {
                values,
                starts: starts(shape, outer),
                rows,
                columns,
                transposed: false,
            }
        };
        let (a, b) = (
            stack(&a_values[..], a.shape()),
            stack(&b_values[..], b.shape()),
        );
        Tensor::from_nchw(call.output_shape, &products(&a, &b, (m, n, k))).into()
    }

    fn multiply_adds(&self, inputs: &[&[usize]], _: &[&[usize]]) -> usize {
        inputs[0].last().copied().unwrap_or(0)
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let (a, b) = (call.inputs[0], call.inputs[1]);
        let (outer, m, n) = Self::sizes(grad_output.shape());
        let k = a.shape()[a.shape().len() - 1];
        let (a_values, b_values, g_values) = (a.to_nchw(), b.to_nchw(), grad_output.to_nchw());
        let stack = |values, shape: &[usize], transposed| {
            let (_, rows, columns) = Self::sizes(shape);
            Stack {
                values,
                starts: starts(shape, outer),
                rows,
                columns,
                transposed,
            }
        };
        let g = stack(&g_values[..], grad_output.shape(), false);
        let whole = |rows: usize, columns: usize| [outer, &[rows, columns]].concat();
        let input = |first: bool| {
            let (shape, values, own) = if first {
                let b = stack(&b_values[..], b.shape(), true);
                (whole(m, k), products(&g, &b, (m, k, n)), a.shape())
            } else {
                let a = stack(&a_values[..], a.shape(), true);
                (whole(k, n), products(&a, &g, (k, n, m)), b.shape())
            };
            summed_to(&Tensor::from_nchw(&shape, &values), own)
        };
        let inputs = [true, false].into_iter().zip(call.wants_input);
        Ok(Gradients {
            inputs: inputs
                .map(|(first, wanted)| wanted.then(|| input(first)))
                .collect(),
            parameters: Vec::new(),
        })
    }
}
