//! Random pictures with the statistics of photographs: large shapes, edges and fine grain.

use crate::{Tensor, seeded};

/// The largest side of the squares of a field, in pixels.
const LARGEST_CELL: usize = 32;

/// A random picture `[1, C, H, W]` of root mean square 1, seeded by its name: the sum of random grids with
/// squares of 1, 2, 4, … 32 pixels a side, each interpolated between its corners, all with the same
/// amplitude. So it contains shapes of all sizes, as photographs do, whose spectrum falls with the frequency.
pub(super) fn field(name: &str, [_, c, h, w]: [usize; 4]) -> Tensor {
    let mut values = vec![0.0f32; c * h * w];
    let mut cell = 1;
    while cell <= LARGEST_CELL {
        let (rows, columns) = (h / cell + 2, w / cell + 2);
        let grid = seeded::uniform(&format!("{name} {cell}"), rows * columns * c, -1.0, 1.0);
        for y in 0..h {
            let (top, down) = place(y, cell);
            for x in 0..w {
                let (left, right) = place(x, cell);
                for channel in 0..c {
                    let corner = |y: usize, x: usize| grid[(y * columns + x) * c + channel];
                    let upper = corner(top, left) * (1.0 - right) + corner(top, left + 1) * right;
                    let lower =
                        corner(top + 1, left) * (1.0 - right) + corner(top + 1, left + 1) * right;
                    values[(y * w + x) * c + channel] += upper * (1.0 - down) + lower * down;
                }
            }
        }
        cell *= 2;
    }
    let scale = (1.0 / rms(&values).max(f64::MIN_POSITIVE)) as f32;
    values.iter_mut().for_each(|value| *value *= scale);
    Tensor::from_stored(&[1, c, h, w], values)
}

/// The square that contains a pixel, and the pixel's position in it, from 0 to 1.
fn place(pixel: usize, cell: usize) -> (usize, f32) {
    (pixel / cell, (pixel % cell) as f32 / cell as f32)
}

/// The root mean square of some numbers.
pub(super) fn rms(values: &[f32]) -> f64 {
    (squares(values) / values.len().max(1) as f64).sqrt()
}

/// The sum of squares.
pub(super) fn squares(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum()
}

/// The sum of products.
pub(super) fn product(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_depends_on_its_name_and_has_root_mean_square_1() {
        let shape = [1, 3, 40, 33];
        let one = field("one", shape);
        assert!((rms(one.data()) - 1.0).abs() < 1e-6);
        assert_eq!(one.data(), field("one", shape).data());
        let other = field("other", shape);
        let correlation = product(one.data(), other.data()) / one.len() as f64;
        assert!(correlation.abs() < 0.2, "{correlation}");
    }
}
