//! Baselines: inputs without information. They cover windows and segments, and paths start at them.
//! Every baseline is a whole picture.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dvm_engine::{Tensor, seeded};
use dvm_image::{Limits, Picture, Preprocess};

use crate::gaussian::{self, filtered};
use crate::{Error, Subject};

/// An input without information.
#[derive(Clone, Debug, PartialEq)]
pub enum Baseline {
    /// The mean colour of the picture.
    Mean,
    /// The middle of the range, 127.5.
    Grey,
    /// Zero after normalisation: the mean colour of the network's training data.
    Zero,
    /// The picture itself, blurred.
    Blur,
    /// Uniform random colours, pixel by pixel.
    Noise,
    /// One colour.
    Colour([u8; 3]),
    /// A picture file, prepared as the picture is.
    File(PathBuf),
    /// A NumPy file with the normalised input, float32 `[C, H, W]`.
    Values(PathBuf),
}

/// Several baselines, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub struct Baselines(pub Vec<Baseline>);

/// What replaces the covered pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cover {
    /// One colour, 0 … 255.
    Colour([f32; 3]),
    /// `[H, W, 3]`, 0 … 255.
    Picture(Vec<f32>),
}

const BLACK: Baseline = Baseline::Colour([0; 3]);
const WHITE: Baseline = Baseline::Colour([255; 3]);

impl FromStr for Baseline {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "mean" => Self::Mean,
            "black" => BLACK,
            "white" => WHITE,
            "grey" | "gray" => Self::Grey,
            "zero" => Self::Zero,
            "blur" => Self::Blur,
            "noise" => Self::Noise,
            _ => {
                let digits = text
                    .strip_prefix('#')
                    .filter(|d| d.len() == 6 && d.is_ascii());
                match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
                    Some(colour) => {
                        let [_, r, g, b] = colour.to_be_bytes();
                        Self::Colour([r, g, b])
                    }
                    None if text.to_lowercase().ends_with(".npy") => Self::Values(text.into()),
                    None if text.contains(['.', '/', '\\']) => Self::File(text.into()),
                    None => {
                        return Err(
                            "it is one of mean, black, white, grey, zero, blur, noise, a colour as \
                             #RRGGBB, a picture file, or a .npy file of normalised values",
                        );
                    }
                }
            }
        })
    }
}

impl FromStr for Baselines {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = text.split(',').map(|one| one.trim().parse());
        Ok(Self(all.collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Grey => f.write_str("grey"),
            Self::Zero => f.write_str("zero"),
            Self::Blur => f.write_str("blur"),
            Self::Noise => f.write_str("noise"),
            &BLACK => f.write_str("black"),
            &WHITE => f.write_str("white"),
            Self::Colour([r, g, b]) => write!(f, "#{r:02x}{g:02x}{b:02x}"),
            Self::File(path) | Self::Values(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for Baselines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(","))
    }
}

impl Baseline {
    /// The file that it is read from, if any.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Values(path) => Some(path),
            _ => None,
        }
    }

    /// The values that replace those of `picture`, 0 … 255, not rounded. [`Baseline::Blur`] blurs
    /// with the standard deviation `sigma`, in pixels; [`Baseline::Noise`] uses the stream `noise`.
    ///
    /// # Errors
    /// [`Error::Unfit`] for a file that cannot be read, or whose picture has another size.
    pub(crate) fn over(
        &self,
        picture: &Picture,
        preprocess: &Preprocess,
        sigma: f64,
        noise: &str,
    ) -> Result<Cover, Error> {
        Ok(match self {
            Self::Mean => Cover::Colour(mean(picture)),
            Self::Grey => Cover::Colour([127.5; 3]),
            Self::Zero => Cover::Colour(preprocess.mean_colour()),
            Self::Colour(colour) => Cover::Colour(colour.map(f32::from)),
            Self::Noise => {
                let values = picture.height() * picture.width() * 3;
                Cover::Picture(seeded::uniform(noise, values, 0.0, 255.0))
            }
            Self::Blur => Cover::Picture(blurred(picture, sigma)),
            Self::File(path) => {
                let refuse = |detail: String| Self::refused(path, &detail);
                let read = dvm_image::read(path, &Limits::default());
                let read = read.map_err(|error| refuse(format!("cannot be used: {error}")))?;
                let (height, width) = (picture.height(), picture.width());
                let crop = match (read.height(), read.width()) == (height, width) {
                    true => read,
                    false => preprocess.crop_of(&read),
                };
                if (crop.height(), crop.width()) != (height, width) {
                    return Err(refuse(format!(
                        "has {}×{} pixels, not {height}×{width}",
                        crop.height(),
                        crop.width()
                    )));
                }
                Cover::Picture(crop.rgb().iter().map(|&v| f32::from(v)).collect())
            }
            Self::Values(path) => {
                let why =
                    "holds normalised values, but colours are needed here: give a picture file";
                return Err(Self::refused(path, why));
            }
        })
    }

    fn refused(path: &Path, detail: &str) -> Error {
        Error::Unfit(format!("the baseline `{}` {detail}", path.display()))
    }

    /// The normalised values of a NumPy file, as stored, `H, W, C`.
    fn values_of(path: &Path, subject: &Subject) -> Result<Vec<f32>, Error> {
        let refuse = |detail: String| Self::refused(path, &detail);
        let bytes = dvm_image::bytes_of(path, &Limits::default())
            .map_err(|error| refuse(format!("cannot be used: {error}")))?;
        let [_, channels, height, width] = subject.shape();
        let values = dvm_image::parse_npy(&bytes)
            .and_then(|file| file.floats(&[channels, height, width]))
            .map_err(|detail| refuse(format!("cannot be used: {detail}")))?;
        if let Some(wrong) = values.iter().find(|value| !value.is_finite()) {
            return Err(refuse(format!(
                "contains {wrong}; all values must be finite"
            )));
        }
        Ok(Tensor::from_nchw(&subject.shape(), &values).data().to_vec())
    }

    /// The values that replace the network's input: normalised, as stored, `H, W, C`. Blur and
    /// noise are those of [`Baseline::over`].
    ///
    /// # Errors
    /// As [`Baseline::over`].
    pub(crate) fn input(
        &self,
        subject: &Subject,
        sigma: f64,
        noise: &str,
    ) -> Result<Vec<f32>, Error> {
        if let Self::Values(path) = self {
            return Self::values_of(path, subject);
        }
        let (preprocess, crop) = (subject.preprocess(), subject.input().crop());
        let normalised = |colour: [f32; 3]| {
            // Exactly zero, not the rounded difference of two equal numbers.
            let is_zero = *self == Self::Zero;
            let values = preprocess.normalise_colour(colour);
            values.map(move |value| if is_zero { 0.0 } else { value })
        };
        Ok(match self.over(crop, preprocess, sigma, noise)? {
            Cover::Colour(colour) => {
                let pixel: Vec<f32> = normalised(colour).collect();
                let (height, width) = subject.size();
                pixel.repeat(height * width)
            }
            Cover::Picture(values) => {
                let pixels = values.as_chunks::<3>().0.iter();
                pixels.flat_map(|&colour| normalised(colour)).collect()
            }
        })
    }

    /// As [`Baseline::input`] for the whole picture: the standard deviation of the blur is a tenth
    /// of the shorter side, and the seed of the noise is `seed`.
    ///
    /// # Errors
    /// As [`Baseline::over`].
    pub(crate) fn of_whole(&self, subject: &Subject, seed: u64) -> Result<Tensor, Error> {
        let (height, width) = subject.size();
        let sigma = height.min(width) as f64 / 10.0;
        let values = self.input(subject, sigma, &format!("baseline noise {seed}"))?;
        Ok(Tensor::from_stored(&subject.shape(), values))
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

/// The picture under a Gaussian of standard deviation `sigma`, cut at 3 `sigma`. Pixels at the
/// border are repeated outside.
fn blurred(picture: &Picture, sigma: f64) -> Vec<f32> {
    let (h, w) = (picture.height(), picture.width());
    let weights = gaussian::weights((3.0 * sigma).ceil() as usize, sigma);
    let total: f64 = weights.iter().sum();
    let pass = |values: &[f32], axis: (usize, usize)| -> Vec<f32> {
        let sums = filtered(values, axis, &weights, |place, length| {
            Some(place.clamp(0, length - 1))
        });
        sums.into_iter().map(|sum| (sum / total) as f32).collect()
    };
    let values: Vec<f32> = picture.rgb().iter().map(|&v| f32::from(v)).collect();
    pass(&pass(&values, (w, 3)), (h, 3 * w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_read_from_its_hexadecimal_digits() {
        assert_eq!("#ff8000".parse(), Ok(Baseline::Colour([255, 128, 0])));
        assert_eq!("#000000".parse::<Baseline>().unwrap().to_string(), "black");
        assert!("#ff80".parse::<Baseline>().is_err());
    }

    #[test]
    fn the_mean_is_taken_per_channel() {
        let picture = Picture::new(1, 2, vec![0, 10, 255, 100, 30, 255]);
        let mean = Baseline::Mean.over(&picture, &Preprocess::imagenet(), 1.0, "");
        assert_eq!(mean.unwrap(), Cover::Colour([50.0, 20.0, 255.0]));
    }

    #[test]
    fn blurring_keeps_a_single_colour_and_spreads_a_dot() {
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
