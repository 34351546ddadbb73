//! Softmax.

use rayon::prelude::*;

use super::attention::soften;
use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK,
};
use crate::Tensor;
use crate::runtime::instruction_set::vectorised;

/// `exp(x) / Σ exp(x)` over one axis: 1 for the classes of logits `[N, K]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// The axis, from 0.
    pub axis: usize,
}

/// The probabilities of one row of logits. The maximum is subtracted first, so that nothing overflows; the
/// sum is computed in f64.
pub fn probabilities(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = logits
        .iter()
        .map(|&l| f64::from(l - largest).exp())
        .collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|e| (e / sum) as f32).collect()
}

impl Op for Softmax {
    fn kind(&self) -> &'static str {
        "softmax"
    }

    fn class(&self) -> Class {
        Class::Softmax
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::unless_along(&[self.axis], input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [x] if x.get(self.axis).is_some_and(|&side| side > 0) => Ok(x.to_vec()),
            _ => Err(format!(
                "expects one input with an axis {}, not {inputs:?}",
                self.axis
            )),
        }
    }

    fn bounds(&self, _: &[Bounds], _: &[&Tensor]) -> Bounds {
        Bounds::UNIT
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let mut rows = self.rows(x);
        let side = x.shape()[self.axis];
        rows.par_chunks_mut(TASK.div_ceil(side) * side)
            .for_each(|rows| {
                vectorised(
                    #[inline(always)]
                    || rows.chunks_exact_mut(side).for_each(soften),
                );
            });
        self.tensor_of(x.shape(), rows).into()
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let shape = grad_output.shape();
        let classes = shape[self.axis];
        let mut gradient = Vec::with_capacity(grad_output.len());
        let (p, g) = (self.rows(call.output), self.rows(&grad_output));
        for (p, g) in p.chunks_exact(classes).zip(g.chunks_exact(classes)) {
            let products = p.iter().zip(g);
            let products = products.map(|(&p, &g)| f64::from(p) * f64::from(g));
            let mean: f64 = products.sum();
            gradient.extend(
                p.iter()
                    .zip(g)
                    .map(|(&p, &g)| (f64::from(p) * (f64::from(g) - mean)) as f32),
            );
        }
        Ok(Gradients::input(self.tensor_of(shape, gradient)))
    }
}

impl Softmax {
    /// The values with the axis innermost.
    fn rows(&self, x: &Tensor) -> Vec<f32> {
        let values = x.to_nchw();
        let (side, inner) = self.sides(x.shape());
        if inner == 1 {
            return values;
        }
        let blocks = values.chunks_exact(side * inner);
        let rows = blocks.flat_map(|block| {
            (0..inner).flat_map(move |i| block[i..].iter().copied().step_by(inner))
        });
        rows.collect()
    }

    /// The inverse of [`Softmax::rows`].
    fn tensor_of(&self, shape: &[usize], rows: Vec<f32>) -> Tensor {
        let (side, inner) = self.sides(shape);
        if inner == 1 {
            return Tensor::from_nchw(shape, &rows);
        }
        let mut values = vec![0.0; rows.len()];
        let blocks = values.chunks_exact_mut(side * inner);
        for (block, rows) in blocks.zip(rows.chunks_exact(side * inner)) {
            for (i, row) in rows.chunks_exact(side).enumerate() {
                for (position, &value) in row.iter().enumerate() {
                    block[position * inner + i] = value;
                }
            }
        }
        Tensor::from_nchw(shape, &values)
    }

    /// Number of values along the axis, and number of values in one step of it.
    fn sides(&self, shape: &[usize]) -> (usize, usize) {
        (shape[self.axis], shape[self.axis + 1..].iter().product())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_logits_do_not_overflow() {
        assert_eq!(probabilities(&[1000.0, 1000.0]), [0.5, 0.5]);
    }
}
