//! Gauss–Legendre quadrature: points and weights on 0 … 1.

use std::f64::consts::PI;

/// `count` points in 0 … 1 in ascending order, each with its weight; the weights add up to 1. The
/// sum of weight · value is the integral, exact for polynomials of a degree below 2 · `count`.
pub(super) fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let roots = legendre_roots(count).into_iter().rev();
    roots.map(|(x, weight)| (0.5 * (1.0 + x), weight)).collect()
}

/// The roots of the Legendre polynomial of this degree, the largest first, with the weights of the
/// quadrature on 0 … 1.
pub(crate) fn legendre_roots(count: usize) -> Vec<(f64, f64)> {
    let root = |index: usize| {
        // Tricomi's approximation, refined by Newton's method.
        let mut x = (PI * (index as f64 + 0.75) / (count as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (value, derivative) = legendre(count, x);
            slope = derivative;
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (x, 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).map(root).collect()
}

/// The Legendre polynomial of this degree, at least 1, at `x` within −1 … 1, and its derivative.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for n in 2..=degree {
        let n = n as f64;
        let next = ((2.0 * n - 1.0) * x * value - (n - 1.0) * before) / n;
        (before, value) = (value, next);
    }
    let derivative = degree as f64 * (x * value - before) / (x * x - 1.0);
    (value, derivative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_points_are_those_of_the_textbook() {
        let far = 0.5 * 0.6f64.sqrt();
        let expected = [
            (0.5 - far, 5.0 / 18.0),
            (0.5, 4.0 / 9.0),
            (0.5 + far, 5.0 / 18.0),
        ];
        for ((place, weight), (x, w)) in gauss_legendre(3).into_iter().zip(expected) {
            assert!((place - x).abs() < 1e-14 && (weight - w).abs() < 1e-14);
        }
        let [(place, weight)] = gauss_legendre(1)[..] else {
            panic!("one point");
        };
        assert!((place - 0.5).abs() < 1e-14 && (weight - 1.0).abs() < 1e-14);
    }

    #[test]
    fn polynomials_up_to_twice_the_number_of_points_are_integrated_exactly() {
        for count in [2, 7, 50, 51, 300] {
            let points = gauss_legendre(count);
            assert!(points.is_sorted_by(|a, b| a.0 < b.0), "{count}");
            for power in [0, 1, 2 * count as i32 - 1] {
                let sum: f64 = points.iter().map(|(x, w)| w * x.powi(power)).sum();
                let exact = 1.0 / f64::from(power + 1);
                assert!((sum - exact).abs() < 1e-13, "{count} points, x^{power}");
            }
        }
    }
}
