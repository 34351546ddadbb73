//! From a picture to the numbers a network takes: resize, crop the centre, normalise.

use serde::{Deserialize, Serialize};

use crate::input::Placement;
use crate::resize::resize_region;
use crate::{Input, Interpolation, Picture, Range};

/// How a network wants its pictures, as torchvision's `Resize`, `CenterCrop`, `ToTensor` and
/// `Normalize` one after the other.
///
/// In JSON, all five fields are required, `resize` being `{"short_side": N}`,
/// `{"exact": [HEIGHT, WIDTH]}` or `"none"`, and `interpolation` `"bilinear"` or `"bicubic"`:
///
/// ```
/// let json = r#"{
///     "resize": {"short_side": 256},
///     "interpolation": "bilinear",
///     "crop": [224, 224],
///     "mean": [0.485, 0.456, 0.406],
///     "std": [0.229, 0.224, 0.225]
/// }"#;
/// let preprocess: dvm_image::Preprocess = serde_json::from_str(json).unwrap();
/// assert_eq!(preprocess, dvm_image::Preprocess::imagenet());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Which values of a file become black and white, for files that leave it open; [`Range::File`],
    /// and left out of the JSON form, unless the network was trained with another one.
    #[serde(default, skip_serializing_if = "Range::is_file")]
    pub range: Range,
    /// The size before the crop.
    pub resize: Resize,
    /// The filter of the resizing.
    pub interpolation: Interpolation,
    /// Height and width cut from the centre; black is added where the resized picture is smaller.
    pub crop: (usize, usize),
    /// Subtracted from values scaled to 0 … 1, per channel R, G, B.
    pub mean: [f32; 3],
    /// Divides what is left, per channel R, G, B.
    pub std: [f32; 3],
}

/// The size to which a picture is brought before it is cropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// The shorter side gets this length, the longer `floor(length · long / short)`.
    ShortSide(usize),
    /// Height and width, whatever the proportions.
    Exact(usize, usize),
    /// The picture is taken as it is.
    None,
}

/// Preprocessing that no picture can go through; the messages name the field of the JSON form.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PreprocessError {
    /// A side is zero or longer than [`Preprocess::MAX_SIDE`].
    #[error("preprocessing: \"{field}\" is {value}, but a side has 1 to {max} pixels", max = Preprocess::MAX_SIDE)]
    Side {
        /// `resize` or `crop`.
        field: &'static str,
        /// The length in pixels.
        value: usize,
    },
    /// A mean is not a finite number.
    #[error(
        "preprocessing: \"mean\" is {0:?}, but each mean is a finite number (values are 0 to 1)"
    )]
    Mean([f32; 3]),
    /// A standard deviation is not a finite number above zero.
    #[error(
        "preprocessing: \"std\" is {0:?}, but each standard deviation is a finite number above 0"
    )]
    Std([f32; 3]),
}

impl Preprocess {
    /// The longest side, in pixels, that may be asked for.
    pub const MAX_SIDE: usize = 4096;

    /// What networks trained on ImageNet by torchvision take: short side 256, centre 224 × 224.
    pub const fn imagenet() -> Self {
        Self {
            range: Range::File,
            resize: Resize::ShortSide(256),
            interpolation: Interpolation::Bilinear,
            crop: (224, 224),
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        }
    }

    /// Checks that every size is 1 to [`Self::MAX_SIDE`], every number finite and `std` above 0.
    ///
    /// # Errors
    /// Names the first field that is not.
    pub fn validate(&self) -> Result<(), PreprocessError> {
        let resize = match self.resize {
            Resize::ShortSide(side) => vec![side],
            Resize::Exact(height, width) => vec![height, width],
            Resize::None => vec![],
        };
        side("resize", &resize)?;
        side("crop", &[self.crop.0, self.crop.1])?;
        if !self.mean.iter().all(|m| m.is_finite()) {
            return Err(PreprocessError::Mean(self.mean));
        }
        // A subnormal deviation passes "above 0" but turns the quotient into infinity.
        if !self.std.iter().all(|s| s.is_normal() && *s > 0.0) {
            return Err(PreprocessError::Std(self.std));
        }
        Ok(())
    }

    /// Resizes, crops and normalises.
    ///
    /// Only the part of the resized picture that the crop shows is ever computed: pictures of one
    /// row by many thousand columns cost no more than others.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn apply(&self, original: Picture) -> Result<Input, PreprocessError> {
        self.validate()?;
        let placement = self.placement(original.height(), original.width());
        let crop = self.crop_of(&original);
        Ok(Input {
            values: self.normalise(&crop),
            original,
            crop,
            placement,
        })
    }

    /// Where the crop of an original of `height` × `width` pixels lies.
    pub fn placement(&self, height: usize, width: usize) -> Placement {
        let resized = self.resize.size(height, width);
        Placement {
            original: (height, width),
            resized,
            crop: self.crop,
            origin: (
                centre(resized.0, self.crop.0),
                centre(resized.1, self.crop.1),
            ),
        }
    }

    /// `(p / 255 − mean) / std` of each value, `[3, H, W]`, in `f32` in that order of operations.
    pub fn normalise(&self, picture: &Picture) -> Vec<f32> {
        let mut values = Vec::with_capacity(picture.rgb().len());
        for (channel, table) in self.tables().iter().enumerate() {
            let pixels = picture.rgb().as_chunks::<3>().0;
            values.extend(pixels.iter().map(|p| table[usize::from(p[channel])]));
        }
        values
    }

    /// What each of the 256 values of a pixel becomes in each channel by [`Self::normalise`].
    pub fn tables(&self) -> [[f32; 256]; 3] {
        std::array::from_fn(|channel| {
            std::array::from_fn(|value| self.normalised(channel, value as f32))
        })
    }

    /// A colour `R G B` of 0 … 255, which need not be whole numbers, as the network would see it.
    pub fn normalise_colour(&self, colour: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|channel| self.normalised(channel, colour[channel]))
    }

    fn normalised(&self, channel: usize, value: f32) -> f32 {
        (value / 255.0 - self.mean[channel]) / self.std[channel]
    }

    /// The pixels of `original` that the network sees, `crop` rows and columns, resized but not yet
    /// normalised.
    pub fn crop_of(&self, original: &Picture) -> Picture {
        let placement = self.placement(original.height(), original.width());
        let (top, rows) = visible(placement.origin.0, self.crop.0, placement.resized.0);
        let (left, columns) = visible(placement.origin.1, self.crop.1, placement.resized.1);
        let shown = resize_region(
            original,
            placement.resized,
            rows,
            columns,
            self.interpolation,
        );
        if (shown.height(), shown.width()) == self.crop {
            return shown;
        }
        let mut crop = Picture::filled(self.crop.0, self.crop.1, [0; 3]);
        let stride = self.crop.1 * 3;
        let length = shown.width() * 3;
        let below = crop.rgb_mut()[top * stride..].chunks_exact_mut(stride);
        for (to, from) in below.zip(shown.rgb().chunks_exact(length)) {
            to[left * 3..left * 3 + length].copy_from_slice(from);
        }
        crop
    }
}

impl Resize {
    /// Height and width that a picture of `height` × `width` pixels is brought to.
    pub fn size(self, height: usize, width: usize) -> (usize, usize) {
        let longer = |short: usize, long: usize, to: usize| {
            usize::try_from(to as u128 * long as u128 / short as u128).unwrap_or(usize::MAX)
        };
        match self {
            Self::ShortSide(side) if width <= height => (longer(width, height, side), side),
            Self::ShortSide(side) => (side, longer(height, width, side)),
            Self::Exact(height, width) => (height, width),
            Self::None => (height, width),
        }
    }
}

fn side(field: &'static str, sides: &[usize]) -> Result<(), PreprocessError> {
    match sides
        .iter()
        .find(|s| !(1..=Preprocess::MAX_SIDE).contains(s))
    {
        Some(&value) => Err(PreprocessError::Side { field, value }),
        None => Ok(()),
    }
}

/// Where a centred crop begins: `round((length − crop) / 2)`, halves to even as Python rounds, or,
/// where the crop is longer, minus the padding before the picture.
fn centre(length: usize, crop: usize) -> isize {
    if crop > length {
        return -(((crop - length) / 2) as isize);
    }
    let excess = length - crop;
    let half = excess / 2;
    (half + (excess % 2) * (half % 2)) as isize
}

/// Along one axis: how far into the crop the picture begins, and which part of it is shown.
fn visible(origin: isize, crop: usize, length: usize) -> (usize, std::ops::Range<usize>) {
    let start = origin.max(0) as usize;
    let padding = origin.min(0).unsigned_abs();
    (padding, start..(start + crop - padding).min(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_side_is_rounded_down() {
        assert_eq!(Resize::ShortSide(256).size(100, 333), (256, 852));
        assert_eq!(Resize::ShortSide(256).size(333, 100), (852, 256));
    }

    #[test]
    fn a_centre_between_two_pixels_is_rounded_to_the_even_one() {
        let origins: Vec<isize> = (224..231).map(|length| centre(length, 224)).collect();
        assert_eq!(origins, [0, 0, 1, 2, 2, 2, 3]);
    }

    #[test]
    fn a_smaller_picture_is_padded_with_black_the_odd_row_below() {
        let preprocess = Preprocess {
            resize: Resize::None,
            crop: (4, 3),
            ..Preprocess::imagenet()
        };
        let input = preprocess.apply(Picture::filled(1, 1, [9; 3])).unwrap();
        let rows: Vec<[u8; 3]> = (0..4).map(|y| input.crop().pixel(y, 1)).collect();
        assert_eq!(rows, [[0; 3], [9; 3], [0; 3], [0; 3]]);
        assert_eq!(input.crop().pixel(1, 0), [0; 3]);
        assert_eq!(input.placement().origin(), (-1, -1));
    }

    #[test]
    fn a_picture_of_one_row_and_many_columns_needs_no_more_memory_than_its_crop() {
        let picture = Picture::filled(1, 50_000, [1, 2, 3]);
        let input = Preprocess::imagenet().apply(picture).unwrap();
        assert_eq!(input.resized(), (256, 12_800_000));
        assert_eq!(input.crop(), &Picture::filled(224, 224, [1, 2, 3]));
    }

    #[test]
    fn a_colour_is_normalised_as_pixels_are() {
        let preprocess = Preprocess::imagenet();
        let values = preprocess.normalise(&Picture::filled(1, 1, [1, 128, 255]));
        assert_eq!(values, preprocess.normalise_colour([1.0, 128.0, 255.0]));
    }

    #[test]
    fn sizes_means_and_deviations_that_make_no_sense_are_refused_by_name() {
        let good = Preprocess::imagenet();
        let refused = |preprocess: Preprocess| preprocess.validate().unwrap_err().to_string();
        let crop = refused(Preprocess {
            crop: (224, 0),
            ..good.clone()
        });
        assert_eq!(
            crop,
            "preprocessing: \"crop\" is 0, but a side has 1 to 4096 pixels"
        );
        let resize = refused(Preprocess {
            resize: Resize::ShortSide(5000),
            ..good.clone()
        });
        assert!(resize.contains("\"resize\" is 5000"), "{resize}");
        let mean = refused(Preprocess {
            mean: [0.0, f32::NAN, 0.0],
            ..good.clone()
        });
        assert!(mean.contains("\"mean\""), "{mean}");
        for std in [0.0, -1.0, f32::INFINITY, 1e-40] {
            let message = refused(Preprocess {
                std: [1.0, 1.0, std],
                ..good.clone()
            });
            assert!(message.contains("\"std\""), "{message}");
        }
        assert_eq!(good.validate(), Ok(()));
    }

    #[test]
    fn unknown_fields_of_the_json_form_are_refused() {
        let mut json = serde_json::to_value(Preprocess::imagenet()).unwrap();
        json["scale"] = 2.into();
        let error = serde_json::from_value::<Preprocess>(json).unwrap_err();
        assert!(error.to_string().contains("scale"), "{error}");
    }
}
