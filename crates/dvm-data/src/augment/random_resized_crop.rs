//! A part of random size, proportions and place, brought to the size of the crop.

use std::ops::Range;

use dvm_image::resize_crop;
use dvm_options::{OptionSpec, Takes};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::view::View;
use super::{Augmentation, Description, Invalid, bounds};

/// The "Inception crop" (Szegedy et al. 2014, arXiv 1409.4842), as torchvision's
/// `RandomResizedCrop` takes it: a rectangle of the decoded picture, straight to the size of the
/// crop with the interpolation of the preprocessing, whatever that resizes to.
///
/// Ten times an area and a ratio are drawn; the first rectangle that fits is taken, at a random
/// place. If none fits: the largest in the middle whose ratio is allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomResizedCrop {
    /// Least and greatest share of the picture's area, evenly distributed.
    pub scale: (f64, f64),
    /// Least and greatest width divided by height, its logarithm evenly distributed.
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
        summary: "shows a part of random size, proportions and place",
        options: &[
            OptionSpec {
                name: "scale",
                takes: Takes::Text("[LOW, HIGH]"),
                default: "[0.08, 1.0]",
                help: "least and greatest share of the picture's area",
            },
            OptionSpec {
                name: "ratio",
                takes: Takes::Text("[LOW, HIGH]"),
                default: "[0.75, 1.3333333333333333]",
                help: "least and greatest width divided by height",
            },
        ],
    };

    fn validate(&self) -> Result<(), Invalid> {
        bounds::scale("scale", self.scale)?;
        bounds::ratio("ratio", self.ratio)
    }

    fn apply(&self, view: &mut View, random: &mut ChaCha8Rng) {
        let (rows, columns) = self.rectangle(view.original.height(), view.original.width(), random);
        let crop = resize_crop(
            &view.original,
            rows,
            columns,
            view.preprocess.crop,
            view.preprocess.interpolation,
        );
        view.set_crop(crop);
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

    /// Height and width of the largest rectangle whose ratio is allowed.
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

/// Two sides of a rectangle whose area is a share, drawn from `scale`, of `area`, the first divided
/// by the second being drawn from `ratio`; rounded, and so perhaps zero.
pub(super) fn sides(
    area: f64,
    scale: (f64, f64),
    ratio: (f64, f64),
    random: &mut impl Rng,
) -> (usize, usize) {
    let area = area * random.random_range(scale.0..=scale.1);
    // `libm` has the same bits on every machine, the system's functions do not.
    let ratio = libm::exp(random.random_range(libm::log(ratio.0)..=libm::log(ratio.1)));
    let rounded = |side: f64| side.sqrt().round_ties_even() as usize;
    (rounded(area * ratio), rounded(area / ratio))
}

#[cfg(test)]
mod tests {
    use super::super::references;
    use super::*;

    #[test]
    fn crops_are_torchvisions() {
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
    fn rectangles_have_areas_ratios_and_places_as_asked() {
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
    fn a_picture_that_is_too_long_gives_the_largest_allowed_part_of_its_middle() {
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
