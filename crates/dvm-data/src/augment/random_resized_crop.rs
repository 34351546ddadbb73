//! A random part of the picture, resized to the crop.

use std::ops::Range;

use dvm_image::resize_crop;
use dvm_options::{OptionSpec, Takes};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augmented_crop::WorkingCrop;
use super::{Augmentation, Description, Invalid, bounds};

/// The "Inception crop" (Szegedy et al. 2014, arXiv 1409.4842), as torchvision's `RandomResizedCrop`: resizes
/// a rectangle of the decoded picture directly to the crop, with the interpolation of the preprocessing.
///
/// An area and a ratio are drawn up to ten times; the first rectangle that fits is used, at a random
/// position. If none fits, the largest central rectangle with an allowed ratio is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomResizedCrop {
    /// Smallest and largest share of the picture's area, uniformly distributed.
    pub scale: (f64, f64),
    /// Smallest and largest width divided by height; its logarithm is uniformly distributed.
    pub ratio: (f64, f64),
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        Self {
            scale: (0.08, 1.0),
            ratio: (3.0 / 4.0, 4.0 / 3.0),
        }
    }
}

impl Augmentation for RandomResizedCrop {
    const DESCRIPTION: Description = Description {
        name: "random_resized_crop",
        paper: "1409.4842 (2014)",
        summary: "resizes a part of random size, ratio and position to the crop",
        options: &[
            OptionSpec {
                name: "scale",
                takes: Takes::Text("[LOW, HIGH]"),
                default: "[0.08, 1.0]",
                help: "smallest and largest share of the picture's area",
            },
            OptionSpec {
                name: "ratio",
                takes: Takes::Text("[LOW, HIGH]"),
                default: "[0.75, 1.3333333333333333]",
                help: "smallest and largest width divided by height",
            },
        ],
    };

    fn validate(&self) -> Result<(), Invalid> {
        bounds::scale("scale", self.scale)?;
        bounds::ratio("ratio", self.ratio)
    }

    fn apply(&self, crop: &mut WorkingCrop, random: &mut ChaCha8Rng) {
        let original = &crop.original;
        let (rows, columns) = self.rectangle(original.height(), original.width(), random);
        let picture = resize_crop(
            original,
            rows,
            columns,
            crop.preprocess.crop,
            crop.preprocess.interpolation,
        );
        crop.set_picture(picture);
    }
}

impl RandomResizedCrop {
    /// Rows and columns of the part of a picture of `height` × `width` pixels.
    fn rectangle(
        &self,
        height: usize,
        width: usize,
        random: &mut impl Rng,
    ) -> (Range<usize>, Range<usize>) {
        const TRIES: usize = 10;
        let area = (height * width) as f64;
        for _ in 0..TRIES {
            let (across, down) = sides(area, self.scale, self.ratio, random);
            if (1..=width).contains(&across) && (1..=height).contains(&down) {
                let top = random.random_range(0..=height - down);
                let left = random.random_range(0..=width - across);
                return (top..top + down, left..left + across);
            }
        }
        let (down, across) = self.central(height, width);
        let (top, left) = ((height - down) / 2, (width - across) / 2);
        (top..top + down, left..left + across)
    }

    /// Height and width of the largest rectangle with an allowed ratio.
    fn central(&self, height: usize, width: usize) -> (usize, usize) {
        let ratio = width as f64 / height as f64;
        if ratio < self.ratio.0 {
            let down = (width as f64 / self.ratio.0).round_ties_even() as usize;
            (down.clamp(1, height), width)
        } else if ratio > self.ratio.1 {
            let across = (height as f64 * self.ratio.1).round_ties_even() as usize;
            (height, across.clamp(1, width))
        } else {
            (height, width)
        }
    }
}

/// Two random sides of a rectangle, rounded, so they may be 0. Its share of `area` is drawn from `scale`, and
/// the first side divided by the second from `ratio`.
pub(super) fn sides(
    area: f64,
    scale: (f64, f64),
    ratio: (f64, f64),
    random: &mut impl Rng,
) -> (usize, usize) {
    let area = area * random.random_range(scale.0..=scale.1);
    // `libm` gives the same bits on every machine; the system's functions do not.
    let ratio = libm::exp(random.random_range(libm::log(ratio.0)..=libm::log(ratio.1)));
    let rounded = |side: f64| side.sqrt().round_ties_even() as usize;
    (rounded(area * ratio), rounded(area / ratio))
}

#[cfg(test)]
mod tests {
    use super::super::references;
    use super::*;

    #[test]
    fn crops_are_the_same_as_torchvisions() {
        for case in references::cases("crop") {
            let [top, left, height, width]: [usize; 4] = case.parameter("box");
            let cropped = resize_crop(
                case.original(),
                top..top + height,
                left..left + width,
                case.parameter("size"),
                case.parameter("interpolation"),
            );
            case.check(&cropped);
        }
    }

    #[test]
    fn rectangles_have_the_requested_areas_ratios_and_positions() {
        const DRAWS: usize = 4000;
        let crop = RandomResizedCrop {
            scale: (0.1, 0.3),
            ..RandomResizedCrop::default()
        };
        let mut random = crate::random::stream(1, &[]);
        let (mut area, mut logarithm, mut middle) = (0.0, 0.0, (0.0, 0.0));
        for _ in 0..DRAWS {
            let (rows, columns) = crop.rectangle(1000, 800, &mut random);
            assert!(rows.end <= 1000 && columns.end <= 800);
            let (height, width) = (rows.len() as f64, columns.len() as f64);
            let share = height * width / 8e5;
            assert!((0.099..0.301).contains(&share), "{share}");
            assert!((0.745..1.34).contains(&(width / height)));
            area += share;
            logarithm += (width / height).ln();
            middle.0 += (rows.start + rows.end) as f64 / 2000.0;
            middle.1 += (columns.start + columns.end) as f64 / 1600.0;
        }
        let mean = |sum: f64| sum / DRAWS as f64;
        // More than five standard deviations of a mean of 4000.
        assert!((mean(area) - 0.2).abs() < 0.005);
        assert!(mean(logarithm).abs() < 0.015);
        assert!((mean(middle.0) - 0.5).abs() < 0.015);
        assert!((mean(middle.1) - 0.5).abs() < 0.015);
    }

    #[test]
    fn of_a_picture_that_is_too_long_the_largest_allowed_central_part_is_used() {
        let crop = RandomResizedCrop {
            scale: (1.0, 1.0),
            ..RandomResizedCrop::default()
        };
        let mut random = crate::random::stream(1, &[]);
        let mut rectangle = |height, width| crop.rectangle(height, width, &mut random);
        assert_eq!(rectangle(30, 300), (0..30, 130..170));
        assert_eq!(rectangle(301, 30), (130..170, 0..30));
        assert_eq!(rectangle(1, 50), (0..1, 24..25));
        assert_eq!(rectangle(1, 1), (0..1, 0..1));
    }
}
