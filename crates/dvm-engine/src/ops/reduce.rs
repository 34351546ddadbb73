//! Sums, means and maxima along axes.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::reshape::reshaped;
use super::strided::{broadcast_steps, spread, summed_to};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, map2,
};
use crate::Tensor;

/// A reduction along some axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// The reduction.
    pub how: How,
    /// The axes, from 0, each once.
    pub axes: Vec<usize>,
    /// Whether the axes remain with a side of 1.
    pub keeps: bool,
}

/// The function that reduces several values to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The sum, computed in f64.
    Sum,
    /// The mean, computed in f64.
    Mean,
    /// The maximum; its gradient is shared among equal values.
    Max,
}

impl Reduce {
    /// The shape with sides of 1.
    fn kept(&self, shape: &[usize]) -> Vec<usize> {
        let side = |(axis, &side)| if self.axes.contains(&axis) { 1 } else { side };
        shape.iter().enumerate().map(side).collect()
    }

    fn count(&self, shape: &[usize]) -> usize {
        self.axes.iter().map(|&axis| shape[axis]).product()
    }

    /// The maxima, in the shape `kept`.
    fn largest(&self, x: &Tensor, kept: &[usize]) -> Tensor {
        let mut values = vec![f32::NEG_INFINITY; kept.iter().product()];
        let steps = broadcast_steps(kept, x.shape());
        let path = super::strided::Path::new(x.shape());
        let (len, step) = (path.row_len(), path.row_step(&steps));
        for (row, own) in x.data().chunks_exact(len.max(1)).enumerate() {
            let start = path.row_start(row, &steps);
            for (index, &value) in own.iter().enumerate() {
                let largest = &mut values[start + index * step];
                // NaN wins, so that it is not hidden.
                if value > *largest || value.is_nan() {
                    *largest = value;
                }
            }
        }
        Tensor::from_stored(kept, values)
    }
}

impl Op for Reduce {
    fn kind(&self) -> &'static str {
        match self.how {
            How::Sum => "reduce_sum",
            How::Mean => "reduce_mean",
            How::Max => "reduce_max",
        }
    }

    fn class(&self) -> Class {
        Class::Pooling
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        let layout = inputs[0].layout?;
        let stays = self.keeps && !layout.axes().iter().any(|a| self.axes.contains(a));
        layout.within(shape).filter(|_| stays)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::unless_along(&self.axes, input, node)
    }

    fn is_affine(&self) -> bool {
        self.how != How::Max
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let distinct = |(i, axis): (usize, &usize)| !self.axes[..i].contains(axis);
        let fits = |x: &[usize]| {
            self.axes.iter().all(|&axis| axis < x.len())
                && self.axes.iter().enumerate().all(distinct)
        };
        match inputs {
            [x] if fits(x) && self.keeps => Ok(self.kept(x)),
            [x] if fits(x) => {
                let stays = |(axis, &side)| (!self.axes.contains(&axis)).then_some(side);
                Ok(x.iter().enumerate().filter_map(stays).collect())
            }
            _ => Err(format!(
                "expects one input with the axes {:?}, not {inputs:?}",
                self.axes
            )),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        match self.how {
            How::Mean | How::Max => inputs[0],
            // The number of summed values is unknown here; only their sign is known.
            How::Sum => inputs[0].rising(|x| {
                if x == 0.0 {
                    0.0
                } else {
                    x.signum() * f32::INFINITY
                }
            }),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let kept = self.kept(x.shape());
        let value = match self.how {
            How::Sum => summed_to(x, &kept),
            How::Mean => {
                let mut sums = summed_to(x, &kept);
                let count = self.count(x.shape()) as f32;
                sums.data_mut().iter_mut().for_each(|sum| *sum /= count);
                sums
            }
            How::Max => self.largest(x, &kept),
        };
        reshaped(&value, call.output_shape).into()
    }

    fn needs(&self) -> Needs {
        match self.how {
            How::Max => Needs::INPUTS,
            How::Sum | How::Mean => Needs::NOTHING,
        }
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let x = call.inputs[0];
        let shape = x.shape();
        let kept = self.kept(shape);
        let grad = spread(&reshaped(&grad_output, &kept), shape);
        Ok(Gradients::input(match self.how {
            How::Sum => grad,
            How::Mean => {
                let share = 1.0 / self.count(shape) as f32;
                super::map(&grad, |g| g * share)
            }
            How::Max => {
                let largest = spread(&self.largest(x, &kept), shape);
                let hits = map2(x, &largest, |x, largest| f32::from(x == largest));
                let ties = spread(&summed_to(&hits, &kept), shape);
                let share = map2(&hits, &ties, |hit, ties| hit / ties);
                map2(&grad, &share, |g, share| g * share)
            }
        }))
    }

    fn reach(&self, _: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        if self.axes == [1] && self.keeps && inputs[0].len() == 4 {
            Reach::Pointwise
        } else {
            Reach::Everything
        }
    }
}
