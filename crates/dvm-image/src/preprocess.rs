//! Preprocessing: resize, crop the centre, normalise.

use std::ops;

use serde::{Deserialize, Serialize};

use crate::channels::luma;
use crate::input::Placement;
use crate::resize::resize_region;
use crate::{Channels, Input, Interpolation, Picture, Range};

/// The preprocessing of a network: torchvision's `Resize`, `CenterCrop`, `ToTensor` and
/// `Normalize`.
///
/// In JSON, `resize` is `{"short_side": N}`, `{"exact": [HEIGHT, WIDTH]}` or `"none"`,
/// `interpolation` is `"bilinear"` or `"bicubic"`, and `channels` is `"rgb"`, `"bgr"` or `"grey"`.
/// All fields are required except `channels`, whose default is `"rgb"`:
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
    /// Which values of a file become black and white. [`Range::File`], which is not written to
    /// JSON, unless the network was trained with another range.
    #[serde(default, skip_serializing_if = "Range::is_file")]
    pub range: Range,
    /// The size before the crop.
    pub resize: Resize,
    /// The filter for resizing.
    pub interpolation: Interpolation,
    /// Height and width of the centre crop; a smaller picture is padded with black.
    pub crop: (usize, usize),
    /// The channels of the network, in order. For a grey network the picture is converted to luma,
    /// rounded to 8 bits, before it is resized, as by `Image.convert("L")` followed by
    /// torchvision's transforms.
    #[serde(default)]
    pub channels: Channels,
    /// Mean of each channel, in the order of `channels`, for values from 0 to 1. For grey networks
    /// all three are equal.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, in the same order.
    pub std: [f32; 3],
}

/// The fields of a [`Preprocess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreprocessField {
    /// [`Preprocess::mean`].
    Mean,
    /// [`Preprocess::std`].
    Std,
    /// [`Preprocess::channels`].
    Channels,
    /// [`Preprocess::crop`].
    Crop,
    /// [`Preprocess::resize`].
    Resize,
    /// [`Preprocess::interpolation`].
    Interpolation,
}

impl PreprocessField {
    /// All fields.
    pub const ALL: [Self; 6] = [
        Self::Mean,
        Self::Std,
        Self::Channels,
        Self::Crop,
        Self::Resize,
        Self::Interpolation,
    ];

    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Channels => "channels",
            Self::Crop => "crop",
            Self::Resize => "resize",
            Self::Interpolation => "interpolation",
        }
    }
}

/// The size of the picture before the crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// The shorter side has this length, the longer one `floor(length · long / short)`.
    ShortSide(usize),
    /// Exactly this height and width.
    Exact(usize, usize),
    /// The original size.
    None,
}

/// Invalid preprocessing; the messages name the field in JSON.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PreprocessError {
    /// A side is zero or longer than [`Preprocess::MAX_SIDE`].
    #[error("preprocessing: \"{field}\" must be from 1 to {max} pixels, but is {value}", max = Preprocess::MAX_SIDE)]
    Side {
        /// `resize` or `crop`.
        field: &'static str,
        /// The length in pixels.
        value: usize,
    },
    /// A mean is not a finite number.
    #[error("preprocessing: \"mean\" must be finite numbers for values from 0 to 1, but is {0:?}")]
    Mean([f32; 3]),
    /// A standard deviation is not finite or not greater than 0.
    #[error("preprocessing: \"std\" must be finite numbers greater than 0, but is {0:?}")]
    Std([f32; 3]),
    /// A grey network has different means or deviations.
    #[error(
        "preprocessing: \"channels\" is \"grey\", so the three numbers of \"{field}\" must be \
         equal, but are {values:?}"
    )]
    Grey {
        /// `mean` or `std`.
        field: &'static str,
        /// The values.
        values: [f32; 3],
    },
}

impl Preprocess {
    /// Maximum length of a side, in pixels.
    pub const MAX_SIDE: usize = 4096;

    /// The preprocessing of torchvision's ImageNet networks: short side 256, centre crop 224 × 224.
    pub const fn imagenet() -> Self {
        Self {
            range: Range::File,
            resize: Resize::ShortSide(256),
            interpolation: Interpolation::Bilinear,
            crop: (224, 224),
            channels: Channels::Rgb,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        }
    }

    /// The same for other channels: means and deviations are reordered; for a grey network they are
    /// averaged.
    #[must_use]
    pub fn with_channels(&self, channels: Channels) -> Self {
        let arranged = |values: [f32; 3]| match (self.channels, channels) {
            (from, to) if from == to => values,
            (_, Channels::Grey) if values[0] == values[1] && values[1] == values[2] => values,
            (_, Channels::Grey) => {
                [(values.iter().map(|&v| f64::from(v)).sum::<f64>() / 3.0) as f32; 3]
            }
            (Channels::Grey, _) => values,
            _ => [values[2], values[1], values[0]],
        };
        Self {
            channels,
            mean: arranged(self.mean),
            std: arranged(self.std),
            ..self.clone()
        }
    }

    /// Checks that sizes are from 1 to [`Self::MAX_SIDE`], all numbers are finite and `std` is
    /// greater than 0.
    ///
    /// # Errors
    /// Names the first invalid field.
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
        // With a subnormal deviation the quotient would be infinite.
        if !self.std.iter().all(|s| s.is_normal() && *s > 0.0) {
            return Err(PreprocessError::Std(self.std));
        }
        if self.channels == Channels::Grey {
            for (field, values) in [("mean", self.mean), ("std", self.std)] {
                if values != [values[0]; 3] {
                    return Err(PreprocessError::Grey { field, values });
                }
            }
        }
        Ok(())
    }

    /// Resizes, crops and normalises. Only the part of the resized picture that is in the crop is
    /// computed, so very long pictures are not slower.
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

    /// The position of the crop for an original of `height` × `width` pixels.
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

    /// Normalises a crop: `(p / 255 − mean) / std` of each value in `f32`, `[C, H, W]`. For a grey
    /// network the first value of each pixel is used: all three are the luma.
    pub fn normalise(&self, crop: &Picture) -> Vec<f32> {
        let pixels = crop.rgb().as_chunks::<3>().0;
        let mut values = Vec::with_capacity(pixels.len() * self.channels.count());
        for (table, &source) in self.tables().iter().zip(self.channels.sources()) {
            values.extend(pixels.iter().map(|p| table[usize::from(p[source])]));
        }
        values
    }

    /// The normalised value of each of the 256 pixel values, per channel of the network.
    pub fn tables(&self) -> Vec<[f32; 256]> {
        let table = |channel| std::array::from_fn(|value| self.normalised(channel, value as f32));
        (0..self.channels.count()).map(table).collect()
    }

    /// Normalises a colour `R G B`, 0 … 255, not necessarily whole numbers: one value per channel
    /// of the network.
    pub fn normalise_colour(&self, colour: [f32; 3]) -> impl Iterator<Item = f32> {
        let colour = match self.channels {
            Channels::Grey => [grey_of(colour); 3],
            Channels::Rgb | Channels::Bgr => colour,
        };
        let sources = self.channels.sources().iter().enumerate();
        sources.map(move |(channel, &source)| self.normalised(channel, colour[source]))
    }

    /// The colour `R G B`, 0 … 255, whose normalised values are zero.
    pub fn mean_colour(&self) -> [f32; 3] {
        let mut colour = [self.mean[0] * 255.0; 3];
        for (mean, &source) in self.mean.iter().zip(self.channels.sources()) {
            colour[source] = mean * 255.0;
        }
        colour
    }

    fn normalised(&self, channel: usize, value: f32) -> f32 {
        (value / 255.0 - self.mean[channel]) / self.std[channel]
    }

    /// The resized crop of `original`, before normalisation: always `R G B`, grey for a grey
    /// network.
    pub fn crop_of(&self, original: &Picture) -> Picture {
        self.part_of_crop(original, 0..self.crop.0, 0..self.crop.1)
    }

    /// The part `rows` × `columns` of [`Self::crop_of`]; the rest is not computed.
    ///
    /// # Panics
    /// If the part is empty or not inside the crop.
    pub fn part_of_crop(
        &self,
        original: &Picture,
        rows: ops::Range<usize>,
        columns: ops::Range<usize>,
    ) -> Picture {
        let fits = rows.end <= self.crop.0 && columns.end <= self.crop.1;
        assert!(fits, "{rows:?} × {columns:?} of {:?}", self.crop);
        let original = &*self.channels.of(original);
        let placement = self.placement(original.height(), original.width());
        let (top, shown_rows) = visible(placement.origin.0, &rows, placement.resized.0);
        let (left, shown_columns) = visible(placement.origin.1, &columns, placement.resized.1);
        let mut part = Picture::filled(rows.len(), columns.len(), [0; 3]);
        if shown_rows.is_empty() || shown_columns.is_empty() {
            return part;
        }
        let shown = resize_region(
            original,
            placement.resized,
            shown_rows,
            shown_columns,
            self.interpolation,
        );
        if (shown.height(), shown.width()) == (rows.len(), columns.len()) {
            return shown;
        }
        let stride = columns.len() * 3;
        let length = shown.width() * 3;
        let below = part.rgb_mut()[top * stride..].chunks_exact_mut(stride);
        for (to, from) in below.zip(shown.rgb().chunks_exact(length)) {
            to[left * 3..left * 3 + length].copy_from_slice(from);
        }
        part
    }
}

/// The luma of a colour; for whole numbers that of a pixel, rounded.
fn grey_of(colour: [f32; 3]) -> f32 {
    if colour[0] == colour[1] && colour[1] == colour[2] {
        return colour[0];
    }
    if colour.iter().all(|v| v.fract() == 0.0) {
        return f32::from(luma(colour.map(|v| v as u8)));
    }
    0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
}

impl Resize {
    /// The height and width after resizing a picture of `height` × `width` pixels.
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

/// The start of a centre crop: `round((length − crop) / 2)`, halves to even as in Python. If the
/// crop is longer: minus the padding before the picture.
fn centre(length: usize, crop: usize) -> isize {
    if crop > length {
        return -(((crop - length) / 2) as isize);
    }
    let excess = length - crop;
    let half = excess / 2;
    (half + (excess % 2) * (half % 2)) as isize
}

/// Along one axis: the offset of the picture in a part of the crop, and the range of the resized
/// picture (of this length) in it. `origin` is the start of the crop.
fn visible(origin: isize, part: &ops::Range<usize>, length: usize) -> (usize, ops::Range<usize>) {
    let inside = |at: usize| (origin + at as isize).clamp(0, length as isize) as usize;
    let shown = inside(part.start)..inside(part.end);
    let padding = -(origin + part.start as isize);
    (padding.max(0) as usize, shown)
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
    fn a_smaller_picture_is_padded_with_black() {
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
    fn a_very_long_picture_needs_no_more_memory_than_its_crop() {
        let picture = Picture::filled(1, 50_000, [1, 2, 3]);
        let input = Preprocess::imagenet().apply(picture).unwrap();
        assert_eq!(input.resized(), (256, 12_800_000));
        assert_eq!(input.crop(), &Picture::filled(224, 224, [1, 2, 3]));
    }

    #[test]
    fn a_colour_is_normalised_like_a_pixel() {
        let preprocess = Preprocess::imagenet();
        for channels in [Channels::Rgb, Channels::Bgr, Channels::Grey] {
            let preprocess = preprocess.with_channels(channels);
            let crop = channels
                .of(&Picture::filled(1, 1, [1, 128, 255]))
                .into_owned();
            let colour = preprocess.normalise_colour([1.0, 128.0, 255.0]);
            assert_eq!(
                preprocess.normalise(&crop),
                colour.collect::<Vec<_>>(),
                "{channels}"
            );
        }
    }

    #[test]
    fn bgr_has_the_planes_of_rgb_in_reverse_order() {
        let rgb = (0..18).map(|v| v * 13).collect();
        let picture = Picture::new(2, 3, rgb);
        let preprocess = Preprocess {
            resize: Resize::None,
            crop: (2, 3),
            ..Preprocess::imagenet()
        };
        let straight = preprocess.apply(picture.clone()).unwrap();
        let swapped = preprocess
            .with_channels(Channels::Bgr)
            .apply(picture)
            .unwrap();
        let planes: Vec<&[f32]> = straight.values().chunks(6).rev().collect();
        assert_eq!(swapped.values(), planes.concat());
        assert_eq!(swapped.crop(), straight.crop());
    }

    #[test]
    fn means_are_in_the_order_of_the_channels() {
        let caffe = Preprocess {
            channels: Channels::Bgr,
            mean: [104.0 / 255.0, 117.0 / 255.0, 123.0 / 255.0],
            std: [1.0 / 255.0; 3],
            ..Preprocess::imagenet()
        };
        let values: Vec<f32> = caffe.normalise_colour([123.0, 117.0, 104.0]).collect();
        assert!(values.iter().all(|v| v.abs() < 1e-4), "{values:?}");
        let mean = caffe.mean_colour().map(f32::round);
        assert_eq!(mean, [123.0, 117.0, 104.0]);
    }

    #[test]
    fn grey_is_rounded_before_resizing() {
        let preprocess = Preprocess {
            resize: Resize::Exact(1, 1),
            crop: (1, 1),
            mean: [0.0; 3],
            std: [1.0; 3],
            channels: Channels::Grey,
            ..Preprocess::imagenet()
        };
        // Of the lumas 198 and 162 it is 180; the luma of the resized colours would be 181.
        let picture = Picture::new(1, 2, vec![241, 194, 107, 48, 249, 14]);
        let input = preprocess.apply(picture).unwrap();
        assert_eq!(input.shape(), [1, 1, 1]);
        assert_eq!(input.values(), [180.0 / 255.0]);
        assert_eq!(input.crop().pixel(0, 0), [180; 3]);
    }

    #[test]
    fn different_means_for_a_grey_network_are_an_error() {
        let grey = Preprocess {
            channels: Channels::Grey,
            ..Preprocess::imagenet()
        };
        let message = grey.validate().unwrap_err().to_string();
        assert!(message.contains("\"mean\""), "{message}");
        let grey = Preprocess::imagenet().with_channels(Channels::Grey);
        assert_eq!(grey.validate(), Ok(()));
    }

    #[test]
    fn invalid_sizes_means_and_deviations_are_errors_that_name_the_field() {
        let good = Preprocess::imagenet();
        let refused = |preprocess: Preprocess| preprocess.validate().unwrap_err().to_string();
        let crop = refused(Preprocess {
            crop: (224, 0),
            ..good.clone()
        });
        assert_eq!(
            crop,
            "preprocessing: \"crop\" must be from 1 to 4096 pixels, but is 0"
        );
        let resize = refused(Preprocess {
            resize: Resize::ShortSide(5000),
            ..good.clone()
        });
        assert!(
            resize.contains("\"resize\" must be from 1 to 4096 pixels, but is 5000"),
            "{resize}"
        );
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
    fn unknown_fields_in_json_are_errors() {
        let mut json = serde_json::to_value(Preprocess::imagenet()).unwrap();
        json["scale"] = 2.into();
        let error = serde_json::from_value::<Preprocess>(json).unwrap_err();
        assert!(error.to_string().contains("scale"), "{error}");
    }

    #[test]
    fn changed_values_give_the_nearest_picture() {
        let bytes: Vec<u8> = (0..4 * 5 * 3).map(|i| (i * 37 % 256) as u8).collect();
        for channels in [Channels::Rgb, Channels::Bgr, Channels::Grey] {
            let usual = Preprocess::imagenet();
            let preprocess = Preprocess {
                resize: Resize::None,
                crop: (4, 5),
                mean: [0.4; 3],
                std: [0.2; 3],
                channels,
                ..usual
            };
            let input = preprocess.apply(Picture::new(4, 5, bytes.clone())).unwrap();
            // A hundredth of a step does not change the picture; the values are kept.
            let step = 1.0 / 255.0 / 0.2;
            let values: Vec<f32> = input.values().iter().map(|v| v + step / 100.0).collect();
            let changed = preprocess.changed(&input, values.clone());
            assert_eq!(changed.values(), values);
            assert_eq!(changed.crop(), input.crop());
            let brighter = input.values().iter().map(|v| v + 300.0 * step).collect();
            let white = preprocess.changed(&input, brighter);
            assert!(white.crop().rgb().iter().all(|&byte| byte == 255));
        }
    }
}
