//! Filters along one axis of a picture, such as the two passes of a Gaussian blur.

use rayon::prelude::*;

/// The weights of a Gaussian of standard deviation `sigma` at `-radius ..= radius`, 1 in the middle.
pub(crate) fn weights(radius: usize, sigma: f64) -> Vec<f64> {
    let radius = radius as isize;
    let weight = |distance: isize| match distance {
        0 => 1.0,
        _ => (-0.5 * (distance as f64 / sigma).powi(2)).exp(),
    };
    (-radius..=radius).map(weight).collect()
}

/// For each value the sum of those around it times `weights`, along an axis of `length` positions that are `step`
/// values apart. `inside` returns the position that stands in for one that may be outside of the border; `None` for a
/// value of 0.
pub(crate) fn filtered<T: Copy + Into<f64> + Sync>(
    values: &[T],
    (length, step): (usize, usize),
    weights: &[f64],
    inside: impl Fn(isize, isize) -> Option<isize> + Sync,
) -> Vec<f64> {
    let (length, radius) = (length as isize, (weights.len() / 2) as isize);
    let sum = |at: usize| -> f64 {
        let position = (at / step) as isize % length;
        let products = (-radius..=radius).zip(weights).filter_map(|(d, weight)| {
            let there = inside(position + d, length)?;
            let from = at as isize + (there - position) * step as isize;
            Some(weight * values[from as usize].into())
        });
        products.sum()
    };
    (0..values.len()).into_par_iter().map(sum).collect()
}
