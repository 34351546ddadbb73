//! What covers a window. Every fill is a whole picture of which the window shows its part.

use std::fmt;
use std::str::FromStr;

use dvm_engine::seeded;
use dvm_image::{Picture, Preprocess};
use rayon::prelude::*;

/// What covers a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fill {
    /// The mean colour of the picture.
    Mean,
    /// The middle of the range, 127.5.
    Grey,
    /// What becomes zero when it is normalised: the mean colour of the network's training data.
    Zero,
    /// The picture itself, blurred.
    Blur,
    /// Colours drawn evenly from the whole range, pixel by pixel.
    Noise,
    /// One colour.
    Colour([u8; 3]),
}

/// What shows where a window covers the picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cover {
    /// Everywhere the same.
    Colour([f32; 3]),
    /// `[H, W, 3]`
    Picture(Vec<f32>),
}

const BLACK: Fill = Fill::Colour([0; 3]);

/// Standard deviation of [`Fill::Blur`] in parts of the window's longer side: at half the window
/// nothing that fits into it is left to see.
const BLUR: f64 = 0.5;

impl FromStr for Fill {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "mean" => Self::Mean,
            "black" => BLACK,
            "grey" | "gray" => Self::Grey,
            "zero" => Self::Zero,
            "blur" => Self::Blur,
            "noise" => Self::Noise,
            _ => {
                let digits = text
                    .strip_prefix('#')
                    .filter(|d| d.len() == 6 && d.is_ascii());
                let colour = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                let [_, r, g, b] = colour
                    .ok_or(
                        "it is one of mean, black, grey, zero, blur, noise, or a colour as #RRGGBB",
                    )?
                    .to_be_bytes();
                Self::Colour([r, g, b])
            }
        })
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Grey => f.write_str("grey"),
            Self::Zero => f.write_str("zero"),
            Self::Blur => f.write_str("blur"),
            Self::Noise => f.write_str("noise"),
            &BLACK => f.write_str("black"),
            Self::Colour([r, g, b]) => write!(f, "#{r:02x}{g:02x}{b:02x}"),
        }
    }
}

impl Fill {
    /// What covers `picture`, values 0 … 255 that need not be whole.
    pub fn over(
        self,
        picture: &Picture,
        preprocess: &Preprocess,
        window: (usize, usize),
        noise_seed: u64,
    ) -> Cover {
        match self {
            Self::Mean => Cover::Colour(mean(picture)),
            Self::Grey => Cover::Colour([127.5; 3]),
            Self::Zero => Cover::Colour(preprocess.mean_colour()),
            Self::Colour(colour) => Cover::Colour(colour.map(f32::from)),
            Self::Noise => {
                let name = format!("occlusion noise {noise_seed}");
                let values = picture.height() * picture.width() * 3;
                Cover::Picture(seeded::uniform(&name, values, 0.0, 255.0))
            }
            Self::Blur => {
                let sigma = window.0.max(window.1) as f64 * BLUR;
                Cover::Picture(blurred(picture, sigma))
            }
        }
    }
}

fn mean(picture: &Picture) -> [f32; 3] {
    let mut sums = [0u64; 3];
    for pixel in picture.rgb().chunks_exact(3) {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(value);
        }
    }
    let count = (picture.height() * picture.width()) as f64;
    sums.map(|sum| (sum as f64 / count) as f32)
}

/// The picture under a Gaussian of standard deviation `sigma`, cut at three of them; the border
/// pixels go on beyond the border.
fn blurred(picture: &Picture, sigma: f64) -> Vec<f32> {
    let (h, w) = (picture.height(), picture.width());
    let radius = (3.0 * sigma).ceil() as isize;
    let weights: Vec<f64> = (-radius..=radius)
        .map(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    // One pass along an axis of `length` positions that lie `step` values apart.
    let pass = |values: &[f32], length: usize, step: usize| -> Vec<f32> {
        let blur = |at: usize| {
            let position = (at / step % length) as isize;
            let sum: f64 = (-radius..=radius)
                .zip(&weights)
                .map(|(d, weight)| {
                    let there = (position + d).clamp(0, length as isize - 1);
                    let from = at as isize + (there - position) * step as isize;
                    weight * f64::from(values[from as usize])
                })
                .sum();
            (sum / total) as f32
        };
        (0..values.len()).into_par_iter().map(blur).collect()
    };
    let values: Vec<f32> = picture.rgb().iter().map(|&v| f32::from(v)).collect();
    pass(&pass(&values, w, 3), h, 3 * w)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_read_from_its_hexadecimal_digits() {
        assert_eq!("#ff8000".parse(), Ok(Fill::Colour([255, 128, 0])));
        assert_eq!("#000000".parse::<Fill>().unwrap().to_string(), "black");
        assert!("#ff80".parse::<Fill>().is_err());
    }

    #[test]
    fn the_mean_is_taken_per_channel() {
        let picture = Picture::new(1, 2, vec![0, 10, 255, 100, 30, 255]);
        let fill = Fill::Mean.over(&picture, &Preprocess::imagenet(), (1, 1), 0);
        assert_eq!(fill, Cover::Colour([50.0, 20.0, 255.0]));
    }

    #[test]
    fn blurring_leaves_one_colour_as_it_is_and_spreads_a_dot() {
        let even = Picture::filled(4, 5, [7, 8, 9]);
        let fill = blurred(&even, 2.0);
        assert!(
            fill.chunks(3)
                .all(|p| (p[0] - 7.0).abs() < 1e-4 && (p[2] - 9.0).abs() < 1e-4)
        );
        let mut dot = Picture::filled(9, 9, [0; 3]);
        dot.set_pixel(4, 4, [255; 3]);
        let fill = blurred(&dot, 1.0);
        // The peak of a discrete Gaussian of σ = 1 cut at ±3, squared.
        let peak = 255.0 * 0.399_05_f32.powi(2);
        assert!(
            (fill[(4 * 9 + 4) * 3] - peak).abs() < 0.05,
            "{}",
            fill[(4 * 9 + 4) * 3]
        );
        assert!((fill[(4 * 9 + 3) * 3] - fill[(3 * 9 + 4) * 3]).abs() < 1e-5);
    }
}
