//! Reductions of constants.

use std::cmp::Ordering;

use crate::import::value::array::strides;
use crate::import::{Array, Result, SymInt, Values, unsupported};

/// How several numbers are reduced to one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ConstantReduction {
    Sum,
    Mean,
    Max,
    Min,
    Product,
}

/// An array reduced along some axes, which keep length 1 or are removed.
///
/// # Errors
/// For integers that overflow or whose order depends on the batch size, and for sums over the pictures of a batch.
pub(super) fn of_constant(
    array: &Array,
    how: ConstantReduction,
    axes: &[usize],
    keeps: bool,
) -> Result<Array> {
    let is_per_picture = array.repeated && array.rank() > 0;
    if is_per_picture
        && axes.contains(&0)
        && matches!(how, ConstantReduction::Sum | ConstantReduction::Product)
    {
        return Err(unsupported("works across the pictures of a batch"));
    }
    // Before indices are listed: one side may be 0, and others large.
    if array.len() == 0 {
        return Err(unsupported("has an empty constant input"));
    }
    let places = ReductionIndices::of(&array.shape, axes);
    let stays = |(axis, &side): (usize, &usize)| match (axes.contains(&axis), keeps) {
        (false, _) => Some(side),
        (true, true) => Some(1),
        (true, false) => None,
    };
    let shape: Vec<usize> = array.shape.iter().enumerate().filter_map(stays).collect();
    let mut made = match &array.values {
        Values::Integers(values) => {
            let reduced = places.groups(values).map(|group| of_integers(&group, how));
            Array::integers(&shape, reduced.collect::<Result<_, _>>()?)
        }
        _ => {
            let values = array.as_floats()?;
            let reduced = places.groups(values).map(|group| of_floats(&group, how));
            Array::floats(&shape, reduced.collect())
        }
    };
    made.repeated = is_per_picture && (keeps || !axes.contains(&0));
    Ok(made)
}

/// The indices of the numbers that are reduced together.
struct ReductionIndices {
    /// The first of each group, in the order of the result.
    starts: Vec<usize>,
    /// Those of a group, relative to its first.
    offsets: Vec<usize>,
}

impl ReductionIndices {
    fn of(shape: &[usize], axes: &[usize]) -> Self {
        let all = strides(shape);
        let along = |wanted: bool| {
            let mut indices = vec![0];
            for (axis, (&side, &step)) in shape.iter().zip(&all).enumerate() {
                if axes.contains(&axis) == wanted {
                    let longer = indices.iter();
                    let longer = longer.flat_map(|&at| (0..side).map(move |i| at + i * step));
                    indices = longer.collect();
                }
            }
            indices
        };
        Self {
            starts: along(false),
            offsets: along(true),
        }
    }

    fn groups<'a, T: Copy>(&'a self, values: &'a [T]) -> impl Iterator<Item = Vec<T>> + 'a {
        let group = |&start: &usize| {
            let offsets = self.offsets.iter();
            offsets.map(|offset| values[start + offset]).collect()
        };
        self.starts.iter().map(group)
    }
}

fn of_integers(group: &[SymInt], how: ConstantReduction) -> Result<SymInt> {
    let larger = |a: SymInt, b: SymInt, wanted: Ordering| {
        let order = a.compare(b)?;
        Some(if order == wanted { a } else { b })
    };
    let one = |a: SymInt, &b: &SymInt| match how {
        ConstantReduction::Sum | ConstantReduction::Mean => a.plus(b),
        ConstantReduction::Product => a.times(b),
        ConstantReduction::Max => larger(a, b, Ordering::Greater),
        ConstantReduction::Min => larger(a, b, Ordering::Less),
    };
    let reduced = group[1..].iter().try_fold(group[0], one);
    let reduced = match how {
        ConstantReduction::Mean => reduced.and_then(|sum| sum.over((group.len() as i64).into())),
        _ => reduced,
    };
    reduced
        .ok_or_else(|| unsupported("computes integers that overflow or depend on the batch size"))
}

/// In double precision, rounded once.
fn of_floats(group: &[f32], how: ConstantReduction) -> f32 {
    let all = group.iter().map(|&value| f64::from(value));
    let reduced: f64 = match how {
        ConstantReduction::Sum => all.sum(),
        ConstantReduction::Mean => all.sum::<f64>() / group.len() as f64,
        ConstantReduction::Product => all.product(),
        ConstantReduction::Max => all.fold(f64::NEG_INFINITY, f64::max),
        ConstantReduction::Min => all.fold(f64::INFINITY, f64::min),
    };
    reduced as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(shape: &[usize]) -> Array {
        let count: usize = shape.iter().product();
        let values = (0..count as i64).map(SymInt::from).collect();
        Array::integers(shape, values)
    }

    #[test]
    fn integers_are_reduced_along_any_axes() {
        let array = integers(&[2, 3, 2]);
        let sum = of_constant(&array, ConstantReduction::Sum, &[1], false).unwrap();
        assert_eq!(
            (&sum.shape[..], sum.as_known().unwrap()),
            (&[2, 2][..], vec![6, 9, 24, 27])
        );
        let most = of_constant(&array, ConstantReduction::Max, &[0, 2], true).unwrap();
        assert_eq!(
            (&most.shape[..], most.as_known().unwrap()),
            (&[1, 3, 1][..], vec![7, 9, 11])
        );
        let product = of_constant(&array, ConstantReduction::Product, &[2], false).unwrap();
        assert_eq!(product.as_known().unwrap(), [0, 6, 20, 42, 72, 110]);
    }

    #[test]
    fn reducing_an_empty_array_is_an_error() {
        let array = Array::floats(&[0, 1 << 40], Vec::new());
        for axis in [0, 1] {
            assert!(of_constant(&array, ConstantReduction::Sum, &[axis], true).is_err());
        }
    }

    #[test]
    fn a_sum_over_the_batch_is_an_error_and_a_mean_is_not() {
        let array = Array {
            repeated: true,
            ..Array::floats(&[1, 2], vec![1.0, 3.0])
        };
        assert!(of_constant(&array, ConstantReduction::Sum, &[0], true).is_err());
        let mean = of_constant(&array, ConstantReduction::Mean, &[0, 1], true).unwrap();
        assert_eq!(mean.as_floats().unwrap()[..], [2.0]);
        assert!(
            of_constant(&array, ConstantReduction::Sum, &[1], true)
                .unwrap()
                .repeated
        );
    }
}
