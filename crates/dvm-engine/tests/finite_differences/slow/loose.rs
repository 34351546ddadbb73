//! Slow implementations of the ops of exported graphs.

use dvm_engine::ops::binary::Function;
use dvm_engine::ops::conv2d::Border;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::resample::{
    Beyond, Continuation, Coordinates, Interpolation, Kernel, Rounding, Sampling,
};
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::unary::Unary;

use super::Array;

pub fn pad(x: &Array, border: Border, value: f32) -> Array {
    let [n, c, h, w] = x.dimensions();
    let shape = [
        n,
        c,
        border.top + h + border.bottom,
        border.left + w + border.right,
    ];
    Array::from_indices(shape, |[n, c, y, column]| {
        let row = y as isize - border.top as isize;
        let column = column as isize - border.left as isize;
        x.at_or_none(n, c, row, column).unwrap_or(f64::from(value))
    })
}

pub fn continued(x: &Array, border: Border, by: Continuation) -> Array {
    let [n, c, h, w] = x.dimensions();
    let shape = [
        n,
        c,
        border.top + h + border.bottom,
        border.left + w + border.right,
    ];
    // Step by step from the pixel's position to one on the map.
    let within = |at: usize, before: usize, side: usize| {
        let (mut place, side) = (at as isize - before as isize, side as isize);
        while !(0..side).contains(&place) {
            place = match by {
                Continuation::Mirrored if place < 0 => -place,
                Continuation::Mirrored => 2 * (side - 1) - place,
                Continuation::Repeated => place.clamp(0, side - 1),
            };
        }
        place as usize
    };
    Array::from_indices(shape, |[n, c, y, column]| {
        x.at([
            n,
            c,
            within(y, border.top, h),
            within(column, border.left, w),
        ])
    })
}

/// The weight of the pixel `from` in the pixel `to` along an axis: the kernel of the interpolation at their
/// distance; pixels beyond the edge have the value of the pixel at the edge.
fn share(
    from: usize,
    to: usize,
    side: usize,
    scale: Sampling,
    interpolation: Interpolation,
    coordinates: Coordinates,
) -> f64 {
    let factor = f64::from(scale.factor);
    let place = match coordinates {
        Coordinates::PytorchHalfPixel if scale.output == 1 => 0.0,
        Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => (to as f64 + 0.5) / factor - 0.5,
        Coordinates::AlignCorners if scale.output == 1 => 0.0,
        Coordinates::AlignCorners => to as f64 * (side as f64 - 1.0) / (scale.output as f64 - 1.0),
        Coordinates::Asymmetric => to as f64 / factor,
    };
    let kernel = |distance: f64| {
        let d = distance.abs();
        match interpolation {
            Interpolation::Nearest(_) | Interpolation::Antialiased { .. } => {
                unreachable!("it has no such kernel")
            }
            Interpolation::Linear => (1.0 - d).max(0.0),
            Interpolation::Cubic(a) => {
                let a = f64::from(a);
                match d {
                    d if d <= 1.0 => (a + 2.0) * d.powi(3) - (a + 3.0) * d.powi(2) + 1.0,
                    d if d < 2.0 => a * (d.powi(3) - 5.0 * d.powi(2) + 8.0 * d - 4.0),
                    _ => 0.0,
                }
            }
        }
    };
    let last = side as isize - 1;
    if let Interpolation::Nearest(rounding) = interpolation {
        let nearest = match rounding {
            Rounding::Floor => place.floor(),
            Rounding::Ceil => place.ceil(),
            Rounding::PreferFloor => (place - 0.5).ceil(),
            Rounding::PreferCeil => (place + 0.5).floor(),
        };
        let nearest = (nearest as isize).clamp(0, last);
        return f64::from(nearest == from as isize);
    }
    let all = -3..=last + 3;
    let same = all.filter(|&pixel| pixel.clamp(0, last) == from as isize);
    same.map(|pixel| kernel(place - pixel as f64)).sum()
}

pub fn scaled(
    x: &Array,
    (rows, columns): (Sampling, Sampling),
    interpolation: Interpolation,
    coordinates: Coordinates,
) -> Array {
    let [n, c, h, w] = x.dimensions();
    let shape = [n, c, rows.output, columns.output];
    Array::from_indices(shape, |[n, c, y, column]| {
        let of_row = |row| share(row, y, h, rows, interpolation, coordinates);
        let of_column = |from| share(from, column, w, columns, interpolation, coordinates);
        let mut sum = 0.0;
        for row in 0..h {
            for from in 0..w {
                sum += of_row(row) * of_column(from) * x.at([n, c, row, from]);
            }
        }
        sum
    })
}

pub fn flipped(x: &Array, rows: bool, columns: bool) -> Array {
    let [n, c, h, w] = x.dimensions();
    Array::from_indices([n, c, h, w], |[n, c, row, column]| {
        let row = if rows { h - 1 - row } else { row };
        let column = if columns { w - 1 - column } else { column };
        x.at([n, c, row, column])
    })
}

/// The weight of the pixel `from` in the pixel `to` along an axis, with a kernel that is widened if the map
/// is reduced.
fn widened_share(
    (from, to): (usize, usize),
    side: usize,
    scale: Sampling,
    kernel: Kernel,
    beyond: Beyond,
) -> f64 {
    let factor = scale.output as f64 / side as f64;
    let place = (to as f64 + 0.5) / factor - 0.5;
    let weight = |pixel: i64| {
        let d = (pixel as f64 - place).abs() * factor.min(1.0);
        match kernel {
            Kernel::Triangle => (1.0 - d).max(0.0),
            Kernel::Cubic(a) => {
                let a = f64::from(a);
                match d {
                    d if d < 1.0 => (a + 2.0) * d.powi(3) - (a + 3.0) * d.powi(2) + 1.0,
                    d if d < 2.0 => a * (d.powi(3) - 5.0 * d.powi(2) + 8.0 * d - 4.0),
                    _ => 0.0,
                }
            }
        }
    };
    let (own, side) = (from as i64, side as i64);
    let all: Vec<i64> = match beyond {
        Beyond::Nothing => (0..side).collect(),
        Beyond::Edge => (-4 * side - 8..5 * side + 8).collect(),
    };
    let same = all.iter().filter(|&&pixel| pixel.clamp(0, side - 1) == own);
    let same: f64 = same.map(|&pixel| weight(pixel)).sum();
    same / all.iter().map(|&pixel| weight(pixel)).sum::<f64>()
}

pub fn antialiased(
    x: &Array,
    (rows, columns): (Sampling, Sampling),
    kernel: Kernel,
    beyond: Beyond,
) -> Array {
    let [n, c, h, w] = x.dimensions();
    Array::from_indices([n, c, rows.output, columns.output], |[n, c, y, column]| {
        let mut sum = 0.0;
        for row in 0..h {
            for from in 0..w {
                let of_row = widened_share((row, y), h, rows, kernel, beyond);
                let of_column = widened_share((from, column), w, columns, kernel, beyond);
                sum += of_row * of_column * x.at([n, c, row, from]);
            }
        }
        sum
    })
}

pub fn crop(x: &Array, like: &Array) -> Array {
    let [n, c, ..] = x.dimensions();
    let [_, _, h, w] = like.dimensions();
    Array::from_indices([n, c, h, w], |index| x.at(index))
}

pub fn concat_along(inputs: &[Array], axis: usize) -> Array {
    let mut shape = inputs[0].shape.clone();
    shape[axis] = inputs.iter().map(|i| i.shape[axis]).sum();
    Array::of_indices(&shape, |index| {
        let mut index = index.to_vec();
        for input in inputs {
            if index[axis] < input.shape[axis] {
                return input.get(&index);
            }
            index[axis] -= input.shape[axis];
        }
        unreachable!("the sides add up")
    })
}

pub fn softmax_along(x: &Array, axis: usize) -> Array {
    Array::of_indices(&x.shape, |index| {
        let along = |position: usize| {
            let mut index = index.to_vec();
            index[axis] = position;
            x.get(&index).exp()
        };
        x.get(index).exp() / (0..x.shape[axis]).map(along).sum::<f64>()
    })
}

pub fn slice(x: &Array, slice: Slice) -> Array {
    let positions: Vec<usize> = (slice.start..x.shape[slice.axis])
        .step_by(slice.step)
        .take(slice.count.unwrap_or(usize::MAX))
        .collect();
    let mut shape = x.shape.clone();
    shape[slice.axis] = positions.len();
    Array::of_indices(&shape, |index| {
        let mut index = index.to_vec();
        index[slice.axis] = positions[index[slice.axis]];
        x.get(&index)
    })
}

pub fn permute(x: &Array, axes: &[usize]) -> Array {
    let shape: Vec<usize> = axes.iter().map(|&axis| x.shape[axis]).collect();
    Array::of_indices(&shape, |index| {
        let mut from = vec![0; axes.len()];
        for (&axis, &position) in axes.iter().zip(index) {
            from[axis] = position;
        }
        x.get(&from)
    })
}

pub fn reshape(x: &Array, shape: &[usize]) -> Array {
    Array {
        shape: shape.to_vec(),
        values: x.values.clone(),
    }
}

pub fn reduce(x: &Array, reduce: &Reduce) -> Array {
    let gone = |axis: &usize| reduce.axes.contains(axis);
    let stays: Vec<usize> = (0..x.shape.len()).filter(|axis| !gone(axis)).collect();
    let kept: Vec<usize> = (0..x.shape.len())
        .map(|axis| if gone(&axis) { 1 } else { x.shape[axis] })
        .collect();
    let whole = Array::of_indices(&kept, |target| {
        let mut values = Vec::new();
        Array::of_indices(&x.shape, |index| {
            if stays.iter().all(|&axis| index[axis] == target[axis]) {
                values.push(x.get(index));
            }
            0.0
        });
        match reduce.how {
            How::Sum => values.iter().sum(),
            How::Mean => values.iter().sum::<f64>() / values.len() as f64,
            How::Max => values.into_iter().fold(f64::NEG_INFINITY, f64::max),
        }
    });
    let left: Vec<usize> = stays.iter().map(|&axis| x.shape[axis]).collect();
    reshape(&whole, if reduce.keeps { &kept } else { &left })
}

/// The value at an index of a shape that this one is broadcast to.
fn broadcast(x: &Array, index: &[usize]) -> f64 {
    let own = &index[index.len() - x.shape.len()..];
    let own: Vec<usize> = own
        .iter()
        .zip(&x.shape)
        .map(|(&i, &side)| if side == 1 { 0 } else { i })
        .collect();
    x.get(&own)
}

fn joint(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let side = |shape: &[usize], axis: usize| {
        let axis = (axis + shape.len()).checked_sub(rank);
        axis.map_or(1, |axis| shape[axis])
    };
    (0..rank)
        .map(|axis| side(a, axis).max(side(b, axis)))
        .collect()
}

pub fn binary(function: Function, a: &Array, b: &Array) -> Array {
    Array::of_indices(&joint(&a.shape, &b.shape), |index| {
        let (a, b) = (broadcast(a, index), broadcast(b, index));
        match function {
            Function::Add => a + b,
            Function::Sub => a - b,
            Function::Mul => a * b,
            Function::Div => a / b,
            Function::Pow => a.powf(b),
            Function::Min => a.min(b),
            Function::Max => a.max(b),
        }
    })
}

pub fn unary(function: Unary, x: &Array) -> Array {
    x.map(|v| match function {
        Unary::Neg => -v,
        Unary::Abs => v.abs(),
        Unary::Exp => v.exp(),
        Unary::Log => v.ln(),
        Unary::Sqrt => v.sqrt(),
        Unary::Reciprocal => 1.0 / v,
        Unary::Erf => 2.0 * super::normal_probability(v * 2f64.sqrt()) - 1.0,
        Unary::Clip { low, high } => v.max(f64::from(low)).min(f64::from(high)),
    })
}

pub fn batched_product(a: &Array, b: &Array) -> Array {
    let (outer_a, [_, k]) = split(&a.shape);
    let (outer_b, [_, columns]) = split(&b.shape);
    let mut shape = joint(outer_a, outer_b);
    shape.extend([a.shape[a.shape.len() - 2], columns]);
    Array::of_indices(&shape, |index| {
        let (row, column) = (index[index.len() - 2], index[index.len() - 1]);
        let outer = &index[..index.len() - 2];
        let at =
            |x: &Array, row: usize, column: usize| broadcast(x, &[outer, &[row, column]].concat());
        (0..k).map(|i| at(a, row, i) * at(b, i, column)).sum()
    })
}

fn split(shape: &[usize]) -> (&[usize], [usize; 2]) {
    let (outer, matrix) = shape.split_at(shape.len() - 2);
    (outer, [matrix[0], matrix[1]])
}
