//! A turn by a small angle.

use dvm_image::Picture;
use dvm_options::{OptionSpec, Takes};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::view::{View, mean_colour};
use super::{Augmentation, Description, Invalid, bounds};

/// Turns the crop about its centre, as torchvision's `RandomRotation` with bilinear interpolation;
/// the corners that come into view have the mean colour of the preprocessing, about zero for the
/// network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// The largest angle, either way, 0 … 180; angles are evenly distributed.
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
        summary: "turns the picture about its centre, corners filled with the mean colour",
        options: &[OptionSpec {
            name: "degrees",
            takes: Takes::Text("NUMBER"),
            default: "15.0",
            help: "the largest angle, either way, 0 to 180",
        }],
    };

    fn validate(&self) -> Result<(), Invalid> {
        bounds::check(
            (0.0..=180.0).contains(&self.degrees),
            "degrees",
            self.degrees,
            "an angle of 0 to 180",
        )
    }

    fn apply(&self, view: &mut View, random: &mut ChaCha8Rng) {
        let angle = random.random_range(-self.degrees..=self.degrees);
        let fill = mean_colour(view.preprocess);
        let turned = rotated(view.crop(), angle, fill);
        view.set_crop(turned);
    }
}

/// `picture` turned counter-clockwise by `degrees`, value for value as Pillow's `Image.rotate` does
/// it with `BILINEAR` and a fill colour: cut off, not rounded, behind the point.
fn rotated(picture: &Picture, degrees: f64, fill: [u8; 3]) -> Picture {
    let (height, width) = (picture.height(), picture.width());
    // `libm` has the same bits on every machine, the system's functions do not.
    let angle = -degrees.to_radians();
    let (cos, sin) = (digits(libm::cos(angle)), digits(libm::sin(angle)));
    let centre = (width as f64 / 2.0, height as f64 / 2.0);
    // From a point of the turned picture to that of the original.
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

/// The colour at a point of the grid whose whole numbers are the centres of pixels; beyond the
/// outermost centres the border's colour goes on.
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

/// To 15 digits behind the point, as Pillow rounds, so that a right angle has no cosine of 1e-17.
fn digits(value: f64) -> f64 {
    // A product with 1e15 would itself be rounded, and sometimes to the wrong side.
    format!("{value:.15}").parse().expect("digits are a number")
}

#[cfg(test)]
mod tests {
    use super::super::references;
    use super::*;

    #[test]
    fn turned_pictures_are_pillows() {
        for case in references::cases("rotation") {
            let (degrees, fill) = (case.parameter("degrees"), case.parameter("fill"));
            case.check(&rotated(case.original(), degrees, fill));
        }
    }
}
