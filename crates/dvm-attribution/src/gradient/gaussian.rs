//! Gaussian blur in f64: Blur IG uses the difference of two nearly equal blurs, which f32 would lose.

use rayon::prelude::*;

use crate::gaussian::weights;

/// The kernel is cut at this many standard deviations.
const REACH: f64 = 4.0;

/// `picture`, stored `[H, W, C]`, blurred with standard deviation `sigma` in pixels. Outside of the
/// border it is 0, which in a normalised picture is the mean colour of the training data. The kernel has `floor(4 σ +
/// 0.5)` pixels on each side, as SciPy's `gaussian_filter` with `mode="constant"`.
pub(super) fn blurred(picture: &[f64], (width, channels): (usize, usize), sigma: f64) -> Vec<f64> {
    let kernel = kernel(sigma);
    if kernel.len() == 1 {
        return picture.to_vec();
    }
    let row = width * channels;
    let mut columns = vec![0.0; picture.len()];
    columns
        .par_chunks_mut(row)
        .enumerate()
        .for_each(|(y, sum)| {
            let height = picture.len() / row;
            let at = |y: usize| &picture[y * row..][..row];
            add(sum, at(y), kernel[0]);
            for (distance, &weight) in kernel.iter().enumerate().skip(1) {
                if let Some(above) = y.checked_sub(distance) {
                    add(sum, at(above), weight);
                }
                if y + distance < height {
                    add(sum, at(y + distance), weight);
                }
            }
        });
    let mut rows = vec![0.0; picture.len()];
    rows.par_chunks_mut(row)
        .zip(columns.par_chunks(row))
        .for_each(|(sum, line)| {
            add(sum, line, kernel[0]);
            for (distance, &weight) in kernel.iter().enumerate().take(width).skip(1) {
                let shift = distance * channels;
                add(&mut sum[shift..], &line[..row - shift], weight);
                add(&mut sum[..row - shift], &line[shift..], weight);
            }
        });
    rows
}

/// Half of the kernel, from its middle outwards; the whole kernel adds up to 1.
fn kernel(sigma: f64) -> Vec<f64> {
    let reach = (REACH * sigma + 0.5) as usize;
    if reach == 0 {
        return vec![1.0];
    }
    let mut half = weights(reach, sigma).split_off(reach);
    let total = half[0] + 2.0 * half[1..].iter().sum::<f64>();
    half.iter_mut().for_each(|weight| *weight /= total);
    half
}

/// `sum += weight · values`.
fn add(sum: &mut [f64], values: &[f64], weight: f64) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += weight * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_becomes_the_product_of_two_kernels() {
        let mut dot = vec![0.0; 21 * 23 * 2];
        dot[(10 * 23 + 11) * 2 + 1] = 3.0;
        let found = blurred(&dot, (23, 2), 1.7);
        let half = kernel(1.7);
        assert_eq!(half.len(), 8);
        for (index, &value) in found.iter().enumerate() {
            let (y, x, c) = (index / 46, index / 2 % 23, index % 2);
            let weight = |distance: usize| half.get(distance).copied().unwrap_or(0.0);
            let expected = 3.0 * weight(y.abs_diff(10)) * weight(x.abs_diff(11)) * c as f64;
            assert!((value - expected).abs() < 1e-15, "{y} {x} {c}");
        }
    }

    #[test]
    fn everything_outside_of_the_border_is_zero() {
        // One row of ones: the part of the kernel inside the picture.
        let found = blurred(&[1.0; 3], (3, 1), 0.5);
        let [middle, next, last] = kernel(0.5)[..] else {
            panic!("the kernel has two pixels on each side");
        };
        let expected = [middle + next + last, middle + 2.0 * next];
        assert!((found[0] - middle * expected[0]).abs() < 1e-15);
        assert!((found[1] - middle * expected[1]).abs() < 1e-15);
    }

    #[test]
    fn hardly_any_blur_does_not_change_the_picture() {
        let picture = [1.0, -2.0, 0.5, 4.0];
        assert_eq!(blurred(&picture, (2, 1), 0.0), picture);
        assert_eq!(blurred(&picture, (2, 1), 0.1), picture);
    }
}
