//! Reads and writes with a step per axis: the common part of permutations, slices and broadcasts.

use rayon::prelude::*;

use super::TASK;
use crate::Tensor;
use crate::runtime::buffer::Buffer;

/// The axes in the order in which they are stored, outermost first (see [`Tensor`]).
fn stored_axes(rank: usize) -> Vec<usize> {
    match rank {
        4 => vec![0, 2, 3, 1],
        _ => (0..rank).collect(),
    }
}

/// The distance in memory between neighbours along each axis.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; shape.len()];
    let mut step = 1;
    for axis in stored_axes(shape.len()).into_iter().rev() {
        strides[axis] = step;
        step *= shape[axis];
    }
    strides
}

/// The steps of a tensor of shape `from` in a broadcast to `to`: axes are aligned at the last one, and a side
/// of 1 is repeated.
pub(super) fn broadcast_steps(from: &[usize], to: &[usize]) -> Vec<usize> {
    let missing = to.len() - from.len();
    let own = strides(from);
    (0..to.len())
        .map(|axis| match axis.checked_sub(missing) {
            Some(axis) if from[axis] != 1 => own[axis],
            _ => 0,
        })
        .collect()
}

/// The shape that two shapes are broadcast to, as NumPy does.
///
/// # Errors
/// If a side is neither equal nor 1, as the end of a sentence.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let side = |shape: &[usize], axis: usize| match (axis + shape.len()).checked_sub(rank) {
        Some(own) => shape[own],
        None => 1,
    };
    (0..rank)
        .map(|axis| match (side(a, axis), side(b, axis)) {
            (a, b) if a == b => Ok(a),
            (1, b) => Ok(b),
            (a, 1) => Ok(a),
            _ => Err(format!(
                "expects shapes that can be broadcast, not {a:?} and {b:?}"
            )),
        })
        .collect()
}

/// The positions in a tensor's stored values that the rows of a result read: index `i` of the result reads
/// `base + Σ index · step`.
pub(super) struct Path<'a> {
    shape: &'a [usize],
    order: Vec<usize>,
}

impl<'a> Path<'a> {
    /// For a result of this shape.
    pub fn new(shape: &'a [usize]) -> Self {
        Self {
            shape,
            order: stored_axes(shape.len()),
        }
    }

    /// Values of a row: the innermost stored axis.
    pub fn row_len(&self) -> usize {
        self.order.last().map_or(1, |&axis| self.shape[axis])
    }

    /// The step between values of a row.
    pub fn row_step(&self, steps: &[usize]) -> usize {
        self.order.last().map_or(0, |&axis| steps[axis])
    }

    /// The start of row `row`.
    pub fn row_start(&self, row: usize, steps: &[usize]) -> usize {
        let mut rest = row;
        let mut offset = 0;
        let outer = self.order.len().saturating_sub(1);
        for &axis in self.order[..outer].iter().rev() {
            offset += rest % self.shape[axis] * steps[axis];
            rest /= self.shape[axis];
        }
        offset
    }
}

/// `result[index] = source[base + Σ index · step]`.
pub(super) fn gather(shape: &[usize], source: &[f32], base: usize, steps: &[usize]) -> Tensor {
    let mut result = Buffer::unspecified(shape.iter().product());
    let path = Path::new(shape);
    let (len, step) = (path.row_len(), path.row_step(steps));
    if !result.is_empty() {
        let rows = (TASK / len).max(1);
        result
            .par_chunks_mut(rows * len)
            .enumerate()
            .for_each(|(task, result)| {
                for (row, values) in result.chunks_exact_mut(len).enumerate() {
                    let start = base + path.row_start(task * rows + row, steps);
                    if step == 1 {
                        values.copy_from_slice(&source[start..start + len]);
                    } else {
                        for (index, value) in values.iter_mut().enumerate() {
                            *value = source[start + index * step];
                        }
                    }
                }
            });
    }
    Tensor::from_buffer(shape, result)
}

/// `target[base + Σ index · step] = values[index]`.
pub(super) fn place(values: &Tensor, target: &mut [f32], base: usize, steps: &[usize]) {
    if values.is_empty() {
        return;
    }
    let path = Path::new(values.shape());
    let (len, step) = (path.row_len(), path.row_step(steps));
    for (row, values) in values.data().chunks_exact(len).enumerate() {
        let start = base + path.row_start(row, steps);
        if step == 1 {
            target[start..start + len].copy_from_slice(values);
            continue;
        }
        for (index, value) in values.iter().enumerate() {
            target[start + index * step] = *value;
        }
    }
}

/// The sums of `values` over all positions that were broadcast from `shape`, in f64, in order.
pub(super) fn summed_to(values: &Tensor, shape: &[usize]) -> Tensor {
    if values.shape() == shape {
        return values.clone();
    }
    let steps = broadcast_steps(shape, values.shape());
    let mut sums = vec![0.0f64; shape.iter().product()];
    if !values.is_empty() {
        let path = Path::new(values.shape());
        let (len, step) = (path.row_len(), path.row_step(&steps));
        for (row, values) in values.data().chunks_exact(len).enumerate() {
            let start = path.row_start(row, &steps);
            for (index, value) in values.iter().enumerate() {
                sums[start + index * step] += f64::from(*value);
            }
        }
    }
    let sums = sums.into_iter().map(|sum| sum as f32).collect();
    Tensor::from_stored(shape, sums)
}

/// The same tensor, broadcast to a shape.
pub(super) fn spread(values: &Tensor, shape: &[usize]) -> Tensor {
    if values.shape() == shape {
        return values.clone();
    }
    let steps = broadcast_steps(values.shape(), shape);
    gather(shape, values.data(), 0, &steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_broadcast_from_the_last_axis() {
        assert_eq!(broadcast(&[2, 1, 4], &[3, 1]).unwrap(), [2, 3, 4]);
        assert_eq!(broadcast(&[5], &[]).unwrap(), [5]);
        assert!(broadcast(&[2], &[3]).is_err());
    }

    #[test]
    fn a_feature_map_is_read_where_its_channels_lie() {
        let map = Tensor::from_nchw(&[1, 2, 1, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let steps = strides(map.shape());
        let rows = gather(&[2, 3], map.data(), 0, &[steps[1], steps[3]]);
        assert_eq!(rows.data(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(summed_to(&map, &[2, 1, 1]).data(), [6.0, 15.0]);
    }
}
