//! Copies between arrays with other steps between their values: transposing, slicing, padding, repeating.

use cubecl::prelude::*;

use crate::values::{Gpu, Values};

/// The values of an array in an order of their own: the steps of each axis, and the position of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub first: usize,
    pub steps: Vec<usize>,
}

impl View {
    /// The values of this shape in the order in which they are stored: rank 4 channels last, else row-major.
    pub fn of(shape: &[usize]) -> Self {
        let mut steps = vec![1; shape.len()];
        let inner: Vec<usize> = match shape.len() {
            4 => vec![1, 3, 2, 0],
            rank => (0..rank).rev().collect(),
        };
        let mut step = 1;
        for axis in inner {
            steps[axis] = step;
            step *= shape[axis];
        }
        Self { first: 0, steps }
    }

    /// The values of this shape row by row.
    pub fn rows(shape: &[usize]) -> Self {
        let mut steps = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            steps[axis - 1] = steps[axis] * shape[axis];
        }
        Self { first: 0, steps }
    }

    /// As [`View::of`], for a shape that is stretched to another one of the same or a higher rank, as in NumPy.
    pub fn stretched(shape: &[usize], to: &[usize]) -> Self {
        let own = Self::of(shape).steps;
        let before = to.len() - shape.len();
        let step = |axis: usize| match axis.checked_sub(before) {
            Some(own_axis) if shape[own_axis] != 1 => own[own_axis],
            _ => 0,
        };
        Self {
            first: 0,
            steps: (0..to.len()).map(step).collect(),
        }
    }
}

pub(crate) fn sequence(values: &[usize]) -> SequenceArg<u32> {
    let mut sequence = SequenceArg::new();
    for &value in values {
        sequence.push(value as u32);
    }
    sequence
}

/// The position of the value with this number, counted row by row over `shape`.
#[cube]
pub(crate) fn position(number: u32, shape: &Sequence<u32>, steps: &Sequence<u32>) -> u32 {
    let rank = comptime!(shape.len());
    let mut rest = number;
    let mut at = 0u32;
    #[unroll]
    for i in 0..rank {
        let axis = comptime!(rank - 1 - i);
        let side = shape[axis];
        at += (rest % side) * steps[axis];
        rest /= side;
    }
    at
}

#[cube(launch)]
fn copy_kernel(
    from: &Tensor<f32>,
    to: &mut Tensor<f32>,
    shape: Sequence<u32>,
    from_steps: Sequence<u32>,
    to_steps: Sequence<u32>,
    from_first: u32,
    to_first: u32,
    count: u32,
) {
    let number = ABSOLUTE_POS as u32;
    if number < count {
        let source = from_first + position(number, &shape, &from_steps);
        let target = to_first + position(number, &shape, &to_steps);
        to[target as usize] = from[source as usize];
    }
}

#[cube(launch)]
fn fill_kernel(to: &mut Tensor<f32>, value: f32, count: u32) {
    if (ABSOLUTE_POS as u32) < count {
        to[ABSOLUTE_POS] = value;
    }
}

/// Copies the values of a view of this shape into a view of another array.
pub(crate) fn copy(
    gpu: &Gpu,
    (from, from_view): (&Values, &View),
    (to, to_view): (&Values, &View),
    shape: &[usize],
) {
    let count = shape.iter().product();
    let (cubes, units) = gpu.units(count);
    copy_kernel::launch(
        gpu.client(),
        cubes,
        units,
        from.arg(),
        to.arg(),
        sequence(shape),
        sequence(&from_view.steps),
        sequence(&to_view.steps),
        from_view.first as u32,
        to_view.first as u32,
        count as u32,
    );
}

/// The values of a view, as stored for this shape.
pub(crate) fn gathered(gpu: &Gpu, from: &Values, view: &View, shape: &[usize]) -> Values {
    let to = gpu.empty(shape.iter().product());
    copy(gpu, (from, view), (&to, &View::of(shape)), shape);
    to
}

/// An array of this value.
pub(crate) fn filled(gpu: &Gpu, len: usize, value: f32) -> Values {
    let to = gpu.empty(len);
    let (cubes, units) = gpu.units(len);
    fill_kernel::launch(gpu.client(), cubes, units, to.arg(), value, len as u32);
    to
}
