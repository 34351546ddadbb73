//! Sums, means, maxima and products of arrays that are known, along axes.

use std::cmp::Ordering;

use super::super::array::{Array, Values, strides};
use super::super::integer::Integer;
use super::super::trouble::{Trouble, unsupported};

/// How several numbers become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Sum,
    Mean,
    Max,
    Min,
    Product,
}

/// An array with the numbers along some axes as one each; these axes stay with a side of 1, or go.
///
/// # Errors
/// For whole numbers that overflow or whose order depends on how many pictures there are, and for sums over the
/// pictures of a batch.
pub(super) fn of_constant(
    array: &Array,
    how: Known,
    axes: &[usize],
    keeps: bool,
) -> Result<Array, Trouble> {
    let is_per_picture = array.repeated && array.rank() > 0;
    if is_per_picture && axes.contains(&0) && matches!(how, Known::Sum | Known::Product) {
        return Err(unsupported("works across the pictures of a batch"));
    }
    // Before places are listed: one side may be 0, and others large.
    if array.len() == 0 {
        return Err(unsupported("reduces an empty constant"));
    }
    let places = Places::of(&array.shape, axes);
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

/// Where the numbers lie that become one.
struct Places {
    /// The first of each group, in the order of the result.
    starts: Vec<usize>,
    /// The others of a group, from its first.
    steps: Vec<usize>,
}

impl Places {
    fn of(shape: &[usize], axes: &[usize]) -> Self {
        let all = strides(shape);
        let along = |wanted: bool| {
            let mut places = vec![0];
            for (axis, (&side, &step)) in shape.iter().zip(&all).enumerate() {
                if axes.contains(&axis) == wanted {
                    let longer = places.iter();
                    let longer = longer.flat_map(|&at| (0..side).map(move |i| at + i * step));
                    places = longer.collect();
                }
            }
            places
        };
        Self {
            starts: along(false),
            steps: along(true),
        }
    }

    fn groups<'a, T: Copy>(&'a self, values: &'a [T]) -> impl Iterator<Item = Vec<T>> + 'a {
        let group = |&start: &usize| {
            let places = self.steps.iter();
            places.map(|step| values[start + step]).collect()
        };
        self.starts.iter().map(group)
    }
}

fn of_integers(group: &[Integer], how: Known) -> Result<Integer, Trouble> {
    let larger = |a: Integer, b: Integer, wanted: Ordering| {
        let order = a.compare(b)?;
        Some(if order == wanted { a } else { b })
    };
    let one = |a: Integer, &b: &Integer| match how {
        Known::Sum | Known::Mean => a.plus(b),
        Known::Product => a.times(b),
        Known::Max => larger(a, b, Ordering::Greater),
        Known::Min => larger(a, b, Ordering::Less),
    };
    let reduced = group[1..].iter().try_fold(group[0], one);
    let reduced = match how {
        Known::Mean => reduced.and_then(|sum| sum.over((group.len() as i64).into())),
        _ => reduced,
    };
    reduced.ok_or_else(|| {
        unsupported("reduces whole numbers that overflow or depend on how many pictures there are")
    })
}

/// In double precision, rounded once.
fn of_floats(group: &[f32], how: Known) -> f32 {
    let all = group.iter().map(|&value| f64::from(value));
    let reduced: f64 = match how {
        Known::Sum => all.sum(),
        Known::Mean => all.sum::<f64>() / group.len() as f64,
        Known::Product => all.product(),
        Known::Max => all.fold(f64::NEG_INFINITY, f64::max),
        Known::Min => all.fold(f64::INFINITY, f64::min),
    };
    reduced as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(shape: &[usize]) -> Array {
        let count: usize = shape.iter().product();
        let values = (0..count as i64).map(Integer::from).collect();
        Array::integers(shape, values)
    }

    #[test]
    fn whole_numbers_are_reduced_along_any_axes() {
        let array = integers(&[2, 3, 2]);
        let sum = of_constant(&array, Known::Sum, &[1], false).unwrap();
        assert_eq!(
            (&sum.shape[..], sum.as_known().unwrap()),
            (&[2, 2][..], vec![6, 9, 24, 27])
        );
        let most = of_constant(&array, Known::Max, &[0, 2], true).unwrap();
        assert_eq!(
            (&most.shape[..], most.as_known().unwrap()),
            (&[1, 3, 1][..], vec![7, 9, 11])
        );
        let product = of_constant(&array, Known::Product, &[2], false).unwrap();
        assert_eq!(product.as_known().unwrap(), [0, 6, 20, 42, 72, 110]);
    }

    #[test]
    fn an_empty_array_is_refused_whatever_its_other_sides() {
        let array = Array::floats(&[0, 1 << 40], Vec::new());
        for axis in [0, 1] {
            assert!(of_constant(&array, Known::Sum, &[axis], true).is_err());
        }
    }

    #[test]
    fn a_sum_over_pictures_is_refused_and_a_mean_is_not() {
        let array = Array {
            repeated: true,
            ..Array::floats(&[1, 2], vec![1.0, 3.0])
        };
        assert!(of_constant(&array, Known::Sum, &[0], true).is_err());
        let mean = of_constant(&array, Known::Mean, &[0, 1], true).unwrap();
        assert_eq!(mean.as_floats().unwrap()[..], [2.0]);
        assert!(
            of_constant(&array, Known::Sum, &[1], true)
                .unwrap()
                .repeated
        );
    }
}
