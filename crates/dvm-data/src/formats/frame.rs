//! One picture of a file that holds several.

use dvm_image::{NotFinite, Picture, Range, Raster, Samples, Whole};

use super::FormatError;
use super::grey::Slice;

/// A picture of a medical file or an array, before its values are brought to 8 bits.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its place in the file, from 0.
    pub index: usize,
    /// How many the file holds.
    pub count: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// `[H, W, channels]`.
    pub(super) values: Values,
    /// What [`Range::File`] means for it.
    pub(super) whole: Whole,
    /// Whether small values are bright.
    pub(super) is_negative: bool,
}

/// Values of a frame.
#[derive(Clone, Debug)]
pub(super) enum Values {
    Bytes(Vec<u8>),
    Numbers(Vec<f64>),
}

impl Frame {
    /// The 8-bit picture. [`Range::File`] is the window that a DICOM file states, or the range of an
    /// array's type; without them the least and the largest value of the frame.
    ///
    /// # Errors
    /// [`FormatError::NotFinite`] for a value that is infinite or not a number.
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
            value: "infinity or no number".into(),
        })
    }

    /// The grey picture whose least value is black and whose largest is white, as `dvm prepare` makes
    /// it.
    ///
    /// # Errors
    /// [`FormatError::NotFinite`], and [`FormatError::Unsupported`] for a coloured one.
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

    /// The bytes of a PNG file: grey, or RGB where the frame is coloured.
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
