//! Sums, means and maxima along axes, and softmax.

use dvm_engine::Tensor;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients};

use super::arithmetic::spread;
use super::{OnGpu, from_rows, in_rows, summed_to};
use crate::kernels::copy::{View, copy, gathered};
use crate::kernels::pointwise::{Pair, affine, paired};
use crate::kernels::reduce::{self, Axes, reduced};
use crate::kernels::rows::{softmax, softmax_back};
use crate::values::{Gpu, Values};

/// The shape with sides of 1 along the reduced axes.
fn kept(op: &Reduce, shape: &[usize]) -> Vec<usize> {
    let side = |(axis, &side)| if op.axes.contains(&axis) { 1 } else { side };
    shape.iter().enumerate().map(side).collect()
}

fn count(op: &Reduce, shape: &[usize]) -> usize {
    op.axes.iter().map(|&axis| shape[axis]).product()
}

/// The maxima, as stored for the shape with sides of 1.
fn largest(gpu: &Gpu, op: &Reduce, x: &Values, shape: &[usize]) -> Values {
    let view = View::of(shape);
    let axes = |reduced: bool| {
        Axes::chosen(shape, (&view, &view), |axis| {
            op.axes.contains(&axis) == reduced
        })
    };
    let rows = reduced(gpu, (x, x), &axes(false), &axes(true), reduce::How::Largest);
    from_rows(gpu, &rows, &kept(op, shape))
}

impl OnGpu for Reduce {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let (x, shape) = (gpu.of(call.inputs[0]), call.inputs[0].shape());
        let kept = kept(self, shape);
        let y = match self.how {
            How::Sum => summed_to(gpu, &x, shape, &kept),
            How::Mean => {
                let sums = summed_to(gpu, &x, shape, &kept);
                affine(gpu, &sums, 1.0 / count(self, shape) as f32, 0.0)
            }
            How::Max => largest(gpu, self, &x, shape),
        };
        let rows = in_rows(gpu, &y, &kept);
        super::value(from_rows(gpu, &rows, call.output_shape), call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let shape = call.inputs[0].shape();
        let kept = kept(self, shape);
        let rows = in_rows(gpu, &gpu.of(gradient), gradient.shape());
        let g = spread(gpu, &from_rows(gpu, &rows, &kept), &kept, shape);
        let found = match self.how {
            How::Sum => g,
            How::Mean => affine(gpu, &g, 1.0 / count(self, shape) as f32, 0.0),
            How::Max => {
                let x = gpu.of(call.inputs[0]);
                let largest = spread(gpu, &largest(gpu, self, &x, shape), &kept, shape);
                let hits = paired(gpu, &x, &largest, Pair::Equal);
                let ties = summed_to(gpu, &hits, shape, &kept);
                let ties = spread(gpu, &ties, &kept, shape);
                let share = paired(gpu, &hits, &ties, Pair::Divide);
                paired(gpu, &g, &share, Pair::Multiply)
            }
        };
        super::gradient(found, shape)
    }
}

/// The shape with this axis last, and the steps of values of `shape` in that order.
fn axis_last(shape: &[usize], axis: usize) -> (Vec<usize>, View) {
    let mut view = View::of(shape);
    let mut moved = shape.to_vec();
    let side = moved.remove(axis);
    moved.push(side);
    let step = view.steps.remove(axis);
    view.steps.push(step);
    (moved, view)
}

/// The values with an axis last, row by row.
fn with_axis_last(gpu: &Gpu, x: &Tensor, axis: usize) -> Values {
    let (moved, view) = axis_last(x.shape(), axis);
    if view == View::rows(&moved) {
        return gpu.of(x);
    }
    let to = gpu.empty(x.len());
    copy(gpu, (&gpu.of(x), &view), (&to, &View::rows(&moved)), &moved);
    to
}

/// The inverse.
fn with_axis_back(gpu: &Gpu, rows: &Values, shape: &[usize], axis: usize) -> Values {
    let (moved, view) = axis_last(shape, axis);
    if view == View::rows(&moved) {
        return rows.clone();
    }
    let to = gpu.empty(rows.len());
    copy(gpu, (rows, &View::rows(&moved)), (&to, &view), &moved);
    to
}

impl OnGpu for Softmax {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let x = call.inputs[0];
        let rows = with_axis_last(gpu, x, self.axis);
        let y = softmax(gpu, &rows, None, (x.shape()[self.axis], 1.0));
        super::value(
            with_axis_back(gpu, &y, x.shape(), self.axis),
            call.output_shape,
        )
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let shape = gradient.shape();
        let p = with_axis_last(gpu, call.output, self.axis);
        let g = with_axis_last(gpu, gradient, self.axis);
        let found = softmax_back(gpu, &p, &g, (shape[self.axis], 1.0));
        super::gradient(with_axis_back(gpu, &found, shape, self.axis), shape)
    }
}

/// Values of this shape with axes in another order, row by row.
pub(super) fn ordered(gpu: &Gpu, x: &Values, view: &View, shape: &[usize]) -> Values {
    if shape.len() != 4 {
        return gathered(gpu, x, view, shape);
    }
    let to = gpu.empty(x.len().min(shape.iter().product()));
    copy(gpu, (x, view), (&to, &View::rows(shape)), shape);
    to
}
