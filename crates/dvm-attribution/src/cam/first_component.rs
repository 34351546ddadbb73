//! The first principal component of many channels.

use crate::random::Stream;

/// Vectors of the Krylov space before a restart from the best of them.
const KRYLOV: usize = 24;

/// Largest number of rounds; a dozen are rare.
const ROUNDS: usize = 200;

/// The component is found when the residual relative to its eigenvalue is below this.
const TOLERANCE: f64 = 1e-11;

/// Eigenvalues up to this part of the sum of all squares are rounding errors of equal f32 values.
const NOTHING: f64 = 1e-13;

/// The projection `[places]` of `channels` rows of `places` values on the first right singular
/// vector of the matrix `[places, channels]`; if `centred`, the mean of every channel is subtracted
/// first. Its sign is arbitrary. Zero if all values are equal.
///
/// A full decomposition would compute all vectors. This needs only products with the matrix and its transpose
/// (Lanczos with full orthogonalisation, restarted from the best vector), in f64 and always in the same order.
pub(crate) fn first_component(values: &[f32], channels: usize, centred: bool) -> Vec<f64> {
    let places = values.len() / channels.max(1);
    let mut rows: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
    let least = NOTHING * dot(&rows, &rows);
    if centred {
        for row in rows.chunks_exact_mut(places) {
            let mean = row.iter().sum::<f64>() / places as f64;
            row.iter_mut().for_each(|v| *v -= mean);
        }
    }
    // (X Xᵀ) u, without the matrix X Xᵀ `[places, places]`.
    let product = |u: &[f64]| {
        let mut sum = vec![0.0; places];
        for row in rows.chunks_exact(places) {
            add(&mut sum, dot(row, u), row);
        }
        sum
    };
    let noise = Stream::new("first component", 0).uniform(places);
    let mut best: Vec<f64> = noise.iter().map(|&v| f64::from(v) - 0.5).collect();
    normalise(&mut best);
    for _ in 0..ROUNDS {
        let mut basis = vec![best.clone()];
        // The tridiagonal matrix of the space: its diagonal, and the values beside it.
        let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
        loop {
            let last = basis.last().expect("it starts with one");
            let mut next = product(last);
            diagonal.push(dot(&next, last));
            for _ in 0..2 {
                for known in &basis {
                    let share = dot(&next, known);
                    add(&mut next, -share, known);
                }
            }
            let length = normalise(&mut next);
            let largest = diagonal.iter().copied().fold(0.0, f64::max);
            beside.push(length);
            if length <= 1e-14 * largest || basis.len() == KRYLOV.min(places) {
                break;
            }
            basis.push(next);
        }
        let (eigenvalue, weights) = largest_eigenvector(&diagonal, &beside);
        if eigenvalue <= least {
            return vec![0.0; places];
        }
        best = vec![0.0; places];
        for (vector, &weight) in basis.iter().zip(&weights) {
            add(&mut best, weight, vector);
        }
        normalise(&mut best);
        let residual = beside[basis.len() - 1] * weights[basis.len() - 1].abs();
        if residual <= TOLERANCE * eigenvalue {
            break;
        }
    }
    let scale = dot(&product(&best), &best).max(0.0).sqrt();
    best.iter_mut().for_each(|v| *v *= scale);
    best
}

/// The largest eigenvalue, and its eigenvector, of a symmetric tridiagonal matrix without negative
/// eigenvalues: the columns of its powers converge to that vector.
fn largest_eigenvector(diagonal: &[f64], beside: &[f64]) -> (f64, Vec<f64>) {
    let n = diagonal.len();
    let mut power = vec![0.0; n * n];
    for i in 0..n {
        power[i * n + i] = diagonal[i];
        if i + 1 < n {
            power[i * n + i + 1] = beside[i];
            power[(i + 1) * n + i] = beside[i];
        }
    }
    let matrix = power.clone();
    for _ in 0..50 {
        let largest = power.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            return (0.0, vec![0.0; n]);
        }
        power.iter_mut().for_each(|v| *v /= largest);
        let mut square = vec![0.0; n * n];
        for (out, row) in square.chunks_exact_mut(n).zip(power.chunks_exact(n)) {
            for (&factor, other) in row.iter().zip(power.chunks_exact(n)) {
                add(out, factor, other);
            }
        }
        power = square;
    }
    let column = (0..n).max_by(|&i, &j| power[i * n + i].total_cmp(&power[j * n + j]));
    let column = column.expect("the space has at least one vector");
    let mut vector = power[column * n..][..n].to_vec();
    normalise(&mut vector);
    let rows = matrix.chunks_exact(n).zip(&vector);
    let eigenvalue = rows.map(|(row, v)| v * dot(row, &vector)).sum();
    (eigenvalue, vector)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(sum: &mut [f64], factor: f64, other: &[f64]) {
    for (sum, other) in sum.iter_mut().zip(other) {
        *sum += factor * other;
    }
}

/// Divides a vector by its length, which is returned; a vector of zeros is not changed.
fn normalise(vector: &mut [f64]) -> f64 {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
    length
}

/// The component with the sign that makes its value of largest magnitude positive.
pub(crate) fn largest_positive(component: Vec<f64>) -> Vec<f64> {
    let largest = component
        .iter()
        .copied()
        .fold(0.0f64, |m, v| if v.abs() > m.abs() { v } else { m });
    signed(component, largest)
}

/// The component with the sign that correlates positively with `other`.
pub(crate) fn along(component: Vec<f64>, other: &[f64]) -> Vec<f64> {
    let mean = other.iter().sum::<f64>() / other.len() as f64;
    let alike: f64 = component
        .iter()
        .zip(other)
        .map(|(c, o)| c * (o - mean))
        .sum();
    if alike == 0.0 {
        return largest_positive(component);
    }
    signed(component, alike)
}

fn signed(mut component: Vec<f64>, sign: f64) -> Vec<f64> {
    if sign < 0.0 {
        component.iter_mut().for_each(|v| *v = -*v);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    /// σ₁ u₁ vᵀ + σ₂ w zᵀ with orthogonal vectors: the first component is σ₁ u₁.
    #[test]
    fn the_first_component_of_two_is_found() {
        let (u, w) = ([0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]);
        let (v, z) = ([1.0, 0.0], [0.0, 1.0]);
        let (first, second) = (5.0, 4.99);
        let mut values = Vec::new();
        for channel in 0..2 {
            for place in 0..3 {
                let value = first * u[place] * v[channel] + second * w[place] * z[channel];
                values.push(value as f32);
            }
        }
        let found = largest_positive(first_component(&values, 2, false));
        for (found, expected) in found.iter().zip(u) {
            assert!((found - 5.0 * expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn it_solves_the_eigenvalue_equation_for_many_channels_and_places() {
        let (channels, places) = (40, 70);
        let values = Stream::new("matrix", 0).normal(channels * places);
        let found = first_component(&values, channels, true);
        // X Xᵀ p = σ² p, where |p| = σ.
        let mut product = vec![0.0; places];
        for row in values.chunks_exact(places) {
            let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / places as f64;
            let row: Vec<f64> = row.iter().map(|&v| f64::from(v) - mean).collect();
            add(&mut product, dot(&row, &found), &row);
        }
        let square = dot(&found, &found);
        for (product, found) in product.iter().zip(&found) {
            assert!(
                (product - square * found).abs() < 1e-6 * square,
                "{product} {found}"
            );
        }
        // Its variance is much larger than the mean one.
        let all: f64 = values.iter().map(|&v| f64::from(v * v)).sum();
        assert!(square > 2.0 * all / channels as f64);
    }

    #[test]
    fn equal_values_have_no_component() {
        assert_eq!(first_component(&[0.1; 12], 3, true), [0.0; 4]);
        assert_eq!(first_component(&[0.0; 12], 3, false), [0.0; 4]);
    }

    #[test]
    fn a_sign_follows_the_largest_value_or_another_map() {
        assert_eq!(largest_positive(vec![1.0, -3.0]), [-1.0, 3.0]);
        assert_eq!(along(vec![1.0, -3.0], &[5.0, 4.0]), [1.0, -3.0]);
        assert_eq!(along(vec![1.0, -3.0], &[4.0, 5.0]), [-1.0, 3.0]);
        assert_eq!(along(vec![1.0, -3.0], &[4.0, 4.0]), [-1.0, 3.0]);
    }
}
