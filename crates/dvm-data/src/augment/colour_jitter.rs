//! Random brightness, contrast, saturation and hue.

use dvm_image::{Picture, luma};
use dvm_options::{OptionSpec, Takes};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augmented_crop::WorkingCrop;
use super::{Augmentation, Description, Invalid, bounds};

/// Changes brightness, contrast, saturation and hue in random order, as torchvision's `ColorJitter` on 8-bit
/// pictures. Pixels are identical to Pillow's.
///
/// The factor of the first three is uniform in `max(0, 1 − v) … 1 + v`; hue is rotated by `−hue … hue` of
/// the full circle. 0 does not change a property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColourJitter {
    /// Largest difference of the brightness factor from 1.
    pub brightness: f64,
    /// Largest difference of the contrast factor from 1.
    pub contrast: f64,
    /// Largest difference of the saturation factor from 1.
    pub saturation: f64,
    /// Largest rotation of the hue, 0 … 0.5 of the circle.
    pub hue: f64,
}

impl Default for ColourJitter {
    /// 0.4, and 0 for the hue, as in timm.
    fn default() -> Self {
        Self {
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.0,
        }
    }
}

impl Augmentation for ColourJitter {
    const DESCRIPTION: Description = Description {
        name: "colour_jitter",
        paper: "torchvision ColorJitter",
        summary: "changes brightness, contrast, saturation and hue, in random order",
        options: &[
            OptionSpec {
                name: "brightness",
                takes: Takes::Text("NUMBER"),
                default: "0.4",
                help: "largest difference of the factor from 1",
            },
            OptionSpec {
                name: "contrast",
                takes: Takes::Text("NUMBER"),
                default: "0.4",
                help: "largest difference of the factor from 1",
            },
            OptionSpec {
                name: "saturation",
                takes: Takes::Text("NUMBER"),
                default: "0.4",
                help: "largest difference of the factor from 1",
            },
            OptionSpec {
                name: "hue",
                takes: Takes::Text("NUMBER"),
                default: "0.0",
                help: "largest rotation, from 0 to 0.5 of the circle",
            },
        ],
    };

    fn validate(&self) -> Result<(), Invalid> {
        for (option, value) in [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
        ] {
            let holds = (0.0..=100.0).contains(&value);
            bounds::check(holds, option, value, "a number from 0 to 100")?;
        }
        let holds = (0.0..=0.5).contains(&self.hue);
        bounds::check(holds, "hue", self.hue, "a number from 0 to 0.5")
    }

    fn apply(&self, crop: &mut WorkingCrop, random: &mut ChaCha8Rng) {
        for change in self.changes(random) {
            change.apply(crop.picture());
        }
    }
}

impl ColourJitter {
    /// The changes of a picture, in order. Draws the order and then all four values, even those that are 0, so
    /// an option does not change the others.
    fn changes(&self, random: &mut ChaCha8Rng) -> Vec<Change> {
        let mut order = [0, 1, 2, 3];
        order.shuffle(random);
        let mut factor = |v: f64| random.random_range((1.0 - v).max(0.0)..=1.0 + v);
        let all = [
            (self.brightness, Change::Brightness(factor(self.brightness))),
            (self.contrast, Change::Contrast(factor(self.contrast))),
            (self.saturation, Change::Saturation(factor(self.saturation))),
            (
                self.hue,
                Change::Hue(random.random_range(-self.hue..=self.hue)),
            ),
        ];
        order
            .iter()
            .map(|&at| all[at])
            .filter(|(most, _)| *most > 0.0)
            .map(|(_, change)| change)
            .collect()
    }
}

/// One change of all pixels.
#[derive(Clone, Copy, Debug)]
enum Change {
    Brightness(f64),
    Contrast(f64),
    Saturation(f64),
    Hue(f64),
}

impl Change {
    fn apply(self, picture: &mut Picture) {
        match self {
            Self::Brightness(factor) => blend(picture, factor, |_| 0),
            Self::Contrast(factor) => {
                let mean = mean_luma(picture);
                blend(picture, factor, |_| mean);
            }
            Self::Saturation(factor) => blend(picture, factor, luma),
            Self::Hue(turn) => {
                // Pillow's hues are integers from 0 to 255, rounded towards zero.
                let steps = (turn * 255.0) as i32 as u8;
                for pixel in picture.rgb_mut().as_chunks_mut::<3>().0 {
                    let [hue, saturation, value] = hsv(*pixel);
                    *pixel = rgb([hue.wrapping_add(steps), saturation, value]);
                }
            }
        }
    }
}

/// Moves each value away from the `origin` of its pixel, or towards it for a `factor` below 1: Pillow's
/// `Image.blend`, in `f32`, truncated.
fn blend(picture: &mut Picture, factor: f64, origin: impl Fn([u8; 3]) -> u8) {
    let factor = factor as f32;
    for pixel in picture.rgb_mut().as_chunks_mut::<3>().0 {
        let origin = f32::from(origin(*pixel));
        // The cast saturates at 0 and 255.
        *pixel = pixel.map(|value| (origin + factor * (f32::from(value) - origin)) as u8);
    }
}

fn mean_luma(picture: &Picture) -> u8 {
    let pixels = picture.rgb().as_chunks::<3>().0;
    let sum: u64 = pixels.iter().map(|&pixel| u64::from(luma(pixel))).sum();
    (sum as f64 / pixels.len() as f64 + 0.5) as u8
}

/// Hue, saturation and value of Pillow's `HSV`, 0 … 255 each, truncated, with the same mix of `f32` and
/// `f64` as its C code.
fn hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let most = r.max(g).max(b);
    let range = most - r.min(g).min(b);
    if range == 0 {
        return [0, 0, most];
    }
    let range = f32::from(range);
    let saturation = range / f32::from(most);
    let [red, green, blue] = [r, g, b].map(|value| f32::from(most - value) / range);
    let hue = if r == most {
        blue - green
    } else if g == most {
        (2.0 + f64::from(red) - f64::from(blue)) as f32
    } else {
        (4.0 + f64::from(green) - f64::from(red)) as f32
    };
    let hue = ((f64::from(hue) / 6.0 + 1.0) % 1.0) as f32;
    let scaled = |value: f32| (f64::from(value) * 255.0) as u8;
    [scaled(hue), scaled(saturation), most]
}

/// The inverse of [`hsv`], as in Pillow.
fn rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixths = f64::from(hue) * 6.0 / 255.0;
    let sextant = sixths.floor();
    let part = (sixths - sextant) as f32;
    let saturation = (f64::from(saturation) / 255.0) as f32;
    let scaled = |by: f64| (f64::from(value) * by).round() as u8;
    let p = scaled(1.0 - f64::from(saturation));
    let q = scaled(1.0 - f64::from(saturation * part));
    let t = scaled(1.0 - f64::from(saturation) * (1.0 - f64::from(part)));
    match sextant as u8 % 6 {
        0 => [value, t, p],
        1 => [q, value, p],
        2 => [p, value, t],
        3 => [p, q, value],
        4 => [t, p, value],
        _ => [value, p, q],
    }
}

#[cfg(test)]
mod tests {
    use super::super::references;
    use super::*;

    #[test]
    fn every_change_has_pillows_pixels() {
        type Make = fn(f64) -> Change;
        let all: [(&str, Make); 4] = [
            ("brightness", Change::Brightness),
            ("contrast", Change::Contrast),
            ("saturation", Change::Saturation),
            ("hue", Change::Hue),
        ];
        for (kind, change) in all {
            for case in references::cases(kind) {
                let mut picture = case.original().clone();
                change(case.parameter("factor")).apply(&mut picture);
                case.check(&picture);
            }
        }
    }

    #[test]
    fn changes_come_in_random_order_with_factors_around_1() {
        let jitter = ColourJitter {
            brightness: 0.4,
            contrast: 2.0,
            saturation: 0.4,
            hue: 0.1,
        };
        let mut first = [0; 4];
        let mut sum = 0.0;
        const DRAWS: u64 = 4000;
        for draw in 0..DRAWS {
            let changes = jitter.changes(&mut crate::random::stream(1, &[draw]));
            assert_eq!(changes.len(), 4);
            for (place, change) in changes.into_iter().enumerate() {
                let (kind, range, value) = match change {
                    Change::Brightness(value) => (0, 0.6..=1.4, value),
                    Change::Contrast(value) => (1, 0.0..=3.0, value),
                    Change::Saturation(value) => (2, 0.6..=1.4, value),
                    Change::Hue(value) => (3, -0.1..=0.1, value),
                };
                assert!(range.contains(&value), "{change:?}");
                first[kind] += usize::from(place == 0);
                sum += if kind == 0 { value } else { 0.0 };
            }
        }
        // Five standard deviations: √(4000 · ¼ · ¾) = 27 and 0.8 / √12 / √4000 = 0.0037.
        assert!(first.iter().all(|n| n.abs_diff(1000) < 137), "{first:?}");
        assert!((sum / DRAWS as f64 - 1.0).abs() < 0.019);
    }

    #[test]
    fn an_option_of_zero_is_skipped_and_does_not_change_the_others() {
        let jitter = |contrast| ColourJitter {
            brightness: 0.4,
            contrast,
            saturation: 0.0,
            hue: 0.0,
        };
        let brightness = |contrast| {
            let changes = jitter(contrast).changes(&mut crate::random::stream(1, &[2]));
            let found = changes.iter().find_map(|change| match change {
                Change::Brightness(factor) => Some(*factor),
                _ => None,
            });
            (changes.len(), found.unwrap())
        };
        let ((one, without), (two, with)) = (brightness(0.0), brightness(0.4));
        assert_eq!((one, two), (1, 2));
        assert_eq!(without, with);
    }
}
