//! Smooth masks: each parameter is the height of a bump, and the mask is the soft maximum of all bumps at each pixel.

use rayon::prelude::*;

/// How sharp the soft maximum is.
const COLDNESS: f64 = 20.0;

/// Masks of one size.
pub(super) struct SmoothMask {
    /// Rows and columns of the mask.
    size: (usize, usize),
    /// Rows and columns of the parameters.
    pub parameters: (usize, usize),
    /// Pixels between two bumps.
    step: usize,
    /// Width of the margin around the mask; bumps at the border extend into it, and its values count for the area.
    margin: usize,
    /// Rows and columns including the margin.
    pub with_margin: (usize, usize),
    /// Bumps that reach a pixel, along one axis.
    humps: usize,
    /// Parameters outside of the border, which are 0, along one axis.
    outside: usize,
    /// `[step, step, bumps, bumps]`: the height of each bump at a pixel, by its position within a
    /// step.
    shares: Vec<f64>,
}

impl SmoothMask {
    /// Masks `[H, W]` with bumps every `step` pixels that are about `sigma` pixels wide.
    pub fn new(size: (usize, usize), step: usize, sigma: usize) -> Self {
        let reach = 1 + sigma.div_ceil(step);
        let outside = 1 + (2 * sigma).div_ceil(step);
        let humps = 2 * reach + 1;
        let parameters = (size.0.div_ceil(step), size.1.div_ceil(step));
        let length = |count: usize| (count + 2 * (outside - reach)) * step - step + 1;
        // From a pixel at a position within a step to the centre of a bump, along one axis.
        let away = |place: usize, hump: usize| {
            place as f64 - sigma as f64 - step as f64 * (hump as f64 - outside as f64)
        };
        let mut shares = Vec::with_capacity((step * humps).pow(2));
        for y in 0..step {
            for x in 0..step {
                for hump_y in 0..humps {
                    for hump_x in 0..humps {
                        let (dy, dx) = (away(y, hump_y), away(x, hump_x));
                        let distance = (dy * dy + dx * dx).sqrt() / sigma as f64;
                        shares.push((-2.0 * (distance - 0.5).max(0.0).powi(2)).exp());
                    }
                }
            }
        }
        Self {
            size,
            parameters,
            step,
            margin: sigma,
            with_margin: (length(parameters.0), length(parameters.1)),
            humps,
            outside,
            shares,
        }
    }

    /// The mask with its margin for these parameters, row-major.
    pub fn values(&self, parameters: &[f64]) -> Vec<f64> {
        let (rows, columns) = self.with_margin;
        let of_row = |y: usize| -> Vec<f64> {
            let mut humps = Vec::with_capacity(self.humps * self.humps);
            let mut value = |x: usize| self.soft_maximum(parameters, (y, x), &mut humps);
            (0..columns).map(&mut value).collect()
        };
        let by_row: Vec<Vec<f64>> = (0..rows).into_par_iter().map(of_row).collect();
        by_row.concat()
    }

    /// A mask without its margin, `[H, W]`.
    pub fn without_margin<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let columns = self.with_margin.1;
        let start = |y: usize| (y + self.margin) * columns + self.margin;
        (0..self.size.0)
            .flat_map(|y| values[start(y)..start(y) + self.size.1].iter().copied())
            .collect()
    }

    /// Adds values `[H, W]` to a mask with its margin.
    pub fn add_within_margin(&self, all: &mut [f64], within: &[f64]) {
        let columns = self.with_margin.1;
        for (y, row) in within.chunks_exact(self.size.1).enumerate() {
            let start = (y + self.margin) * columns + self.margin;
            for (value, added) in all[start..].iter_mut().zip(row) {
                *value += added;
            }
        }
    }

    /// The gradient with respect to the parameters, from that with respect to the mask with its margin.
    pub fn backward(&self, parameters: &[f64], gradient: &[f64]) -> Vec<f64> {
        let (rows, columns) = self.with_margin;
        let of_row = |y: usize| {
            let mut sums = vec![0.0; parameters.len()];
            let mut humps = Vec::with_capacity(self.humps * self.humps);
            for x in 0..columns {
                let mask = self.soft_maximum(parameters, (y, x), &mut humps);
                let total: f64 = humps.iter().map(|hump| hump.weight).sum();
                for hump in &humps {
                    if let Some(parameter) = hump.parameter {
                        let slope = 1.0 + COLDNESS * (hump.height - mask);
                        sums[parameter] +=
                            gradient[y * columns + x] * hump.share * hump.weight / total * slope;
                    }
                }
            }
            sums
        };
        let by_row: Vec<Vec<f64>> = (0..rows).into_par_iter().map(of_row).collect();
        // The order of the rows is fixed, so that the sum does not depend on threads.
        let mut sums = vec![0.0; parameters.len()];
        for row in by_row {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        sums
    }

    /// The soft maximum of the bumps at a pixel, and those bumps.
    fn soft_maximum(
        &self,
        parameters: &[f64],
        (y, x): (usize, usize),
        humps: &mut Vec<Bump>,
    ) -> f64 {
        humps.clear();
        let at = (y % self.step * self.step + x % self.step) * self.humps * self.humps;
        let shares = &self.shares[at..at + self.humps * self.humps];
        let index = |pixel: usize, hump: usize, count: usize| {
            let index = (pixel / self.step + hump).checked_sub(self.outside)?;
            (index < count).then_some(index)
        };
        for hump_y in 0..self.humps {
            let row = index(y, hump_y, self.parameters.0);
            for hump_x in 0..self.humps {
                let column = index(x, hump_x, self.parameters.1);
                let parameter = row.zip(column).map(|(r, c)| r * self.parameters.1 + c);
                let share = shares[hump_y * self.humps + hump_x];
                let height = parameter.map_or(0.0, |parameter| share * parameters[parameter]);
                humps.push(Bump {
                    parameter,
                    share,
                    height,
                    weight: (COLDNESS * height).exp(),
                });
            }
        }
        let total: f64 = humps.iter().map(|hump| hump.weight).sum();
        let sum: f64 = humps.iter().map(|hump| hump.height * hump.weight).sum();
        sum / total
    }
}

/// A bump at one pixel.
struct Bump {
    /// Its parameter; `None` outside of the border.
    parameter: Option<usize>,
    /// Its height for a parameter of 1.
    share: f64,
    height: f64,
    /// e to the power of its height, sharpened.
    weight: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_without_bumps_is_zero_and_one_of_full_bumps_nearly_one_inside() {
        let maker = SmoothMask::new((30, 23), 4, 6);
        let (rows, columns) = maker.parameters;
        assert_eq!((rows, columns), (8, 6));
        let none = maker.values(&vec![0.0; rows * columns]);
        assert!(none.iter().all(|&v| v == 0.0));
        let full = maker.without_margin(&maker.values(&vec![1.0; rows * columns]));
        assert_eq!(full.len(), 30 * 23);
        assert!(full[15 * 23 + 11] > 0.9, "{}", full[15 * 23 + 11]);
        assert!(full.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn the_gradient_equals_finite_differences() {
        let maker = SmoothMask::new((9, 13), 3, 4);
        let count = maker.parameters.0 * maker.parameters.1;
        let value = |i: usize, of: usize| ((i * of) % 17) as f64 / 17.0;
        let parameters: Vec<f64> = (0..count).map(|i| value(i, 5)).collect();
        let weights: Vec<f64> = (0..maker.with_margin.0 * maker.with_margin.1)
            .map(|i| value(i, 7) - 0.4)
            .collect();
        let sum = |parameters: &[f64]| -> f64 {
            let mask = maker.values(parameters);
            mask.iter().zip(&weights).map(|(m, w)| m * w).sum()
        };
        let gradient = maker.backward(&parameters, &weights);
        for i in 0..count {
            let moved = |by: f64| {
                let mut moved = parameters.clone();
                moved[i] += by;
                sum(&moved)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((gradient[i] - expected).abs() < 1e-6, "{i}");
        }
    }
}
