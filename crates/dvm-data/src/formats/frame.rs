//! One picture of a file with several.

use dvm_image::{NotFinite, Picture, Range, Raster, Samples, Whole};

use super::FormatError;
use super::grey::Slice;

/// A picture of a medical file or an array, before conversion to 8 bits.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its index in the file, from 0.
    pub index: usize,
    /// Number of pictures in the file.
    pub count: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// `[H, W, channels]`.
    pub(super) values: Values,
    /// The range of [`Range::File`].
    pub(super) whole: Whole,
    /// Whether small values are bright.
    pub(super) is_negative: bool,
}

/// Values of a frame.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "medical"),
    expect(dead_code, reason = "only DICOM pictures are bytes")
)]
pub(super) enum Values {
    Bytes(Vec<u8>),
    Numbers(Vec<f64>),
}

impl Frame {
    /// The 8-bit picture. [`Range::File`] is the window of a DICOM file, or the range of an array's type, or
    /// else from the smallest to the largest value of the frame.
    ///
    /// # Errors
    /// [`FormatError::NotFinite`] for an infinity or NaN.
    pub fn picture(self, range: Range) -> Result<Picture, FormatError> {
        let samples = match self.values {
            Values::Bytes(bytes) => Samples::U8(bytes),
            Values::Numbers(numbers) => Samples::F64(numbers),
        };
        let (height, width, channels) = (self.height, self.width, self.channels);
        let raster = Raster::new(height, width, channels, samples, self.whole);
        let picture = raster.negative(self.is_negative).picture(range);
        picture.map_err(|NotFinite { row, column }| FormatError::NotFinite {
            slice: self.index,
            row,
            column,
            value: "an infinity or NaN".into(),
        })
    }

    /// The grey picture from its smallest value (black) to its largest (white), as `dvm prepare` makes it.
    ///
    /// # Errors
    /// [`FormatError::NotFinite`], and [`FormatError::Unsupported`] for a coloured picture.
    pub(super) fn slice(self) -> Result<Slice, FormatError> {
        let mut numbers = match self.values {
            Values::Numbers(numbers) if self.channels == 1 => numbers,
            Values::Bytes(bytes) if self.channels == 1 => {
                bytes.into_iter().map(f64::from).collect()
            }
            _ => {
                return Err(FormatError::Unsupported {
                    what: "a coloured picture".into(),
                    advice: "save it as a grey picture",
                });
            }
        };
        if self.is_negative {
            numbers.iter_mut().for_each(|value| *value = -*value);
        }
        Slice::scaled(self.index, self.height, self.width, &numbers)
    }

    /// The bytes of a PNG file: grey, or RGB if the frame is coloured.
    ///
    /// # Errors
    /// As [`Frame::picture`].
    pub fn png(self, range: Range) -> Result<Vec<u8>, FormatError> {
        let is_grey = self.channels == 1;
        if is_grey && range == Range::Auto {
            return Ok(self.slice()?.png());
        }
        let picture = self.picture(range)?;
        if !is_grey {
            return Ok(dvm_image::encode_png(&picture));
        }
        let grey: Vec<u8> = picture.rgb().iter().step_by(3).copied().collect();
        Ok(dvm_image::encode_grey_png(
            picture.height(),
            picture.width(),
            &grey,
        ))
    }
}
