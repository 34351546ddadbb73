//! The picture at several levels of blur, with interpolation between them.

use crate::gaussian::{self, filtered};

/// Levels, from the strongest blur to the picture itself.
const LEVELS: usize = 8;

/// Standard deviation of the strongest blur, in pixels.
const LARGEST_BLUR: f64 = 20.0;

/// A picture at all levels.
pub(super) struct Pyramid {
    /// Each `[H, W, C]`.
    levels: Vec<Vec<f32>>,
    channels: usize,
}

impl Pyramid {
    /// The levels of a normalised picture, stored `[H, W, C]`. Outside of its border it is zero.
    pub fn new(picture: &[f32], (height, width): (usize, usize), channels: usize) -> Self {
        let level = |level: usize| {
            let sigma = (1.0 - level as f64 / (LEVELS - 1) as f64) * LARGEST_BLUR;
            blurred(picture, (height, width), channels, sigma)
        };
        Self {
            levels: (0..LEVELS).map(level).collect(),
            channels,
        }
    }

    /// Bytes for the levels of such a picture.
    pub fn bytes(values: usize) -> usize {
        LEVELS * values * size_of::<f32>()
    }

    /// The two levels around the level of a pixel, and the fraction from the first to the second.
    fn between(mask: f64) -> (usize, usize, f64) {
        let at = mask * (LEVELS - 1) as f64;
        let low = (at.max(0.0) as usize).min(LEVELS - 1);
        (low, (low + 1).min(LEVELS - 1), at - low as f64)
    }

    /// The picture `[H, W, C]` with each pixel at the level given by the mask `[H, W]`: 0 is the
    /// strongest blur, 1 no blur.
    pub fn perturbed(&self, mask: &[f64]) -> Vec<f32> {
        let mut values = Vec::with_capacity(mask.len() * self.channels);
        for (pixel, &mask) in mask.iter().enumerate() {
            let (low, high, share) = Self::between(mask);
            for at in pixel * self.channels..(pixel + 1) * self.channels {
                let (low, high) = (self.levels[low][at], self.levels[high][at]);
                values.push(((1.0 - share) * f64::from(low) + share * f64::from(high)) as f32);
            }
        }
        values
    }

    /// The gradient with respect to the mask `[H, W]`, from that with respect to the picture.
    pub fn backward(&self, mask: &[f64], gradient: &[f32]) -> Vec<f64> {
        let of_pixel = |(pixel, &mask): (usize, &f64)| {
            let (low, high, _) = Self::between(mask);
            let channels = pixel * self.channels..(pixel + 1) * self.channels;
            let slope =
                |at: usize| f64::from(self.levels[high][at]) - f64::from(self.levels[low][at]);
            let sum: f64 = channels.map(|at| f64::from(gradient[at]) * slope(at)).sum();
            (LEVELS - 1) as f64 * sum
        };
        mask.iter().enumerate().map(of_pixel).collect()
    }
}

/// Blurred with a Gaussian of standard deviation `sigma`, cut at 4 `sigma`; zero outside of the border.
fn blurred(
    values: &[f32],
    (height, width): (usize, usize),
    channels: usize,
    sigma: f64,
) -> Vec<f32> {
    let weights = gaussian::weights((4.0 * sigma).ceil() as usize, sigma);
    let total: f64 = weights.iter().sum();
    let pass = |values: &[f32], axis: (usize, usize)| -> Vec<f32> {
        let sums = filtered(values, axis, &weights, |place, length| {
            (0..length).contains(&place).then_some(place)
        });
        sums.into_iter().map(|sum| (sum / total) as f32).collect()
    };
    pass(&pass(values, (height, width * channels)), (width, channels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_mask_shows_the_picture_and_an_empty_one_the_strongest_blur() {
        let picture: Vec<f32> = (0..6 * 5 * 2).map(|v| (v % 7) as f32 - 3.0).collect();
        let pyramid = Pyramid::new(&picture, (6, 5), 2);
        assert_eq!(pyramid.perturbed(&[1.0; 30]), picture);
        assert_eq!(pyramid.perturbed(&[0.0; 30]), pyramid.levels[0]);
        let halfway = pyramid.perturbed(&[0.5; 30]);
        for (at, value) in halfway.iter().enumerate() {
            let mean = (pyramid.levels[3][at] + pyramid.levels[4][at]) / 2.0;
            assert!((value - mean).abs() < 1e-6);
        }
    }

    #[test]
    fn the_gradient_is_the_difference_of_the_levels_around() {
        let picture: Vec<f32> = (0..4 * 3).map(|v| (v * v % 11) as f32).collect();
        let pyramid = Pyramid::new(&picture, (4, 3), 1);
        // Both pixels are well between two levels.
        let mask: Vec<f64> = (0..12).map(|i| (f64::from(i % 7) + 0.4) / 7.0).collect();
        let ones = vec![1.0; 12];
        for (at, slope) in pyramid.backward(&mask, &ones).into_iter().enumerate() {
            let moved = |by: f64| {
                let mut moved = mask.clone();
                moved[at] += by;
                f64::from(pyramid.perturbed(&moved)[at])
            };
            assert!((slope - (moved(1e-2) - moved(-1e-2)) / 2e-2).abs() < 1e-3);
        }
    }
}
