//! Random rotation.

use dvm_image::Picture;
use dvm_options::{OptionSpec, Takes};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augmented_crop::{WorkingCrop, mean_colour};
use super::{Augmentation, Description, Invalid, bounds};

/// Rotates the crop about its centre, as torchvision's `RandomRotation` with bilinear interpolation. The
/// corners get the mean colour of the preprocessing, about 0 for the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// Largest angle in both directions, 0 … 180; angles are uniformly distributed.
    pub degrees: f64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { degrees: 15.0 }
    }
}

impl Augmentation for Rotation {
    const DESCRIPTION: Description = Description {
        name: "rotation",
        paper: "torchvision RandomRotation",
        summary: "rotates the picture about its centre; the corners get the mean colour",
        options: &[OptionSpec {
            name: "degrees",
            takes: Takes::Text("NUMBER"),
            default: "15.0",
            help: "largest angle in both directions, from 0 to 180",
        }],
    };

    fn validate(&self) -> Result<(), Invalid> {
        bounds::check(
            (0.0..=180.0).contains(&self.degrees),
            "degrees",
            self.degrees,
            "an angle from 0 to 180",
        )
    }

    fn apply(&self, crop: &mut WorkingCrop, random: &mut ChaCha8Rng) {
        let angle = random.random_range(-self.degrees..=self.degrees);
        let fill = mean_colour(crop.preprocess);
        let turned = rotated(crop.picture(), angle, fill);
        crop.set_picture(turned);
    }
}

/// `picture` rotated counter-clockwise by `degrees`, identical to Pillow's `Image.rotate` with `BILINEAR` and
/// a fill colour: values are truncated, not rounded.
fn rotated(picture: &Picture, degrees: f64, fill: [u8; 3]) -> Picture {
    let (height, width) = (picture.height(), picture.width());
    // `libm` gives the same bits on every machine; the system's functions do not.
    let angle = -degrees.to_radians();
    let (cos, sin) = (digits(libm::cos(angle)), digits(libm::sin(angle)));
    let centre = (width as f64 / 2.0, height as f64 / 2.0);
    // From a point of the rotated picture to a point of the original.
    let shift_x = cos * -centre.0 + sin * -centre.1 + centre.0;
    let shift_y = -sin * -centre.0 + cos * -centre.1 + centre.1;
    let mut turned = Picture::filled(height, width, fill);
    for (y, row) in turned.rgb_mut().chunks_exact_mut(width * 3).enumerate() {
        for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let (across, down) = (x as f64 + 0.5, y as f64 + 0.5);
            let from_x = cos * across + sin * down + shift_x;
            let from_y = -sin * across + cos * down + shift_y;
            if (0.0..width as f64).contains(&from_x) && (0.0..height as f64).contains(&from_y) {
                *pixel = between(picture, from_y - 0.5, from_x - 0.5);
            }
        }
    }
    turned
}

/// The interpolated colour at a point; the centres of pixels have integer coordinates. Beyond the outermost
/// centres, the colour is that of the border.
fn between(picture: &Picture, y: f64, x: f64) -> [u8; 3] {
    let (top, left) = (y.floor(), x.floor());
    let (down, across) = (y - top, x - left);
    let clipped = |at: f64, length: usize| (at.max(0.0) as usize).min(length - 1);
    let rows = [top, top + 1.0].map(|at| clipped(at, picture.height()));
    let columns = [left, left + 1.0].map(|at| clipped(at, picture.width()));
    let colours = rows.map(|row| columns.map(|column| picture.pixel(row, column)));
    std::array::from_fn(|channel| {
        let mix = |a: f64, b: f64, part: f64| a + (b - a) * part;
        let [above, below] = colours.map(|row| {
            let [a, b] = row.map(|colour| f64::from(colour[channel]));
            mix(a, b, across)
        });
        mix(above, below, down) as u8
    })
}

/// Rounded to 15 decimal places, as in Pillow, so that the cosine of a right angle is 0, not 1e-17.
fn digits(value: f64) -> f64 {
    // Multiplication by 1e15 would round, too, and sometimes in the wrong direction.
    format!("{value:.15}").parse().expect("digits are a number")
}

#[cfg(test)]
mod tests {
    use super::super::references;
    use super::*;

    #[test]
    fn rotated_pictures_are_the_same_as_pillows() {
        for case in references::cases("rotation") {
            let (degrees, fill) = (case.parameter("degrees"), case.parameter("fill"));
            case.check(&rotated(case.original(), degrees, fill));
        }
    }
}
