//! TIFF files with types that `image` does not support: floats, signed numbers, more than 16 bits.

use std::io::Cursor;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;

use super::foreign::RAW;
use super::{DecodeError, Limits};
use crate::raster::{Raster, Samples, Whole};

const NAME: &str = "TIFF";

/// The header of a TIFF's first picture.
pub(super) struct Look<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    colours: ColorType,
    format: u16,
    /// Whether small values are bright.
    is_negative: bool,
    /// The EXIF orientation.
    pub orientation: u8,
    /// Whether the file has more pictures.
    pub has_more: bool,
}

/// Reads the header of the first picture; `None` if it is damaged, because the decoder's error is
/// better.
///
/// # Errors
/// [`DecodeError::Foreign`] for a camera raw file, whose first picture is a thumbnail.
pub(super) fn look<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Option<Look<'a>>, DecodeError> {
    let Ok(decoder) = Decoder::new(Cursor::new(bytes)) else {
        return Ok(None);
    };
    let mut of_decoder = tiff::decoder::Limits::default();
    of_decoder.decoding_buffer_size = usize::try_from(limits.memory).unwrap_or(usize::MAX);
    of_decoder.intermediate_buffer_size = of_decoder.decoding_buffer_size;
    let mut decoder = decoder.with_limits(of_decoder);
    let number = |decoder: &mut Decoder<_>, tag: Tag| -> Option<u64> {
        decoder.find_tag_unsigned::<u64>(tag).ok().flatten()
    };
    let is_reduced = number(&mut decoder, Tag::NewSubfileType).unwrap_or(0) & 1 == 1;
    let has_others = decoder.find_tag(Tag::SubIfd).ok().flatten().is_some();
    let is_dng = decoder.find_tag(Tag::Unknown(DNG_VERSION)).ok().flatten();
    if is_dng.is_some() || is_reduced && has_others {
        return Err(DecodeError::Foreign(RAW));
    }
    let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat);
    let format = format
        .ok()
        .flatten()
        .and_then(|formats| formats.first().copied());
    let Ok(colours) = decoder.colortype() else {
        return Ok(None);
    };
    Ok(Some(Look {
        colours,
        format: format.unwrap_or(1),
        is_negative: number(&mut decoder, Tag::PhotometricInterpretation) == Some(0),
        orientation: number(&mut decoder, Tag::Orientation).map_or(1, |o| o.min(255) as u8),
        has_more: decoder.more_images(),
        decoder,
    }))
}

/// The tag that marks Adobe's raw files (DNG).
const DNG_VERSION: u16 = 50706;

impl Look<'_> {
    /// Whether `image` does not support this type, so that [`Self::raster`] is needed.
    pub fn is_unusual(&self) -> bool {
        let bits = match self.colours {
            ColorType::Gray(bits) | ColorType::GrayA(bits) => bits,
            ColorType::RGB(bits) | ColorType::RGBA(bits) => bits,
            ColorType::Multiband { .. } => return true,
            _ => return false,
        };
        // A range refers to the stored values, which `image` inverts for a negative.
        self.format != 1 || bits > 16 || self.is_negative && bits >= 8
    }

    /// The values of the first picture.
    pub fn raster(&mut self, length: usize, limits: &Limits) -> Result<Raster, DecodeError> {
        let unsupported = |detail: String| DecodeError::Unsupported {
            format: NAME,
            detail,
        };
        let (stored, used) = match self.colours {
            ColorType::Gray(_) => (1, 1),
            ColorType::GrayA(_) => (2, 1),
            ColorType::RGB(_) => (3, 3),
            ColorType::RGBA(_) => (4, 3),
            ColorType::Multiband { num_samples, .. } => {
                return Err(unsupported(format!(
                    "{num_samples} channels per pixel; save one channel (grey) or three (RGB)"
                )));
            }
            other => return Err(unsupported(format!("{other:?}"))),
        };
        let planar = self
            .decoder
            .find_tag_unsigned::<u16>(Tag::PlanarConfiguration);
        if stored > 1 && planar.ok().flatten() == Some(2) {
            return Err(unsupported(
                "its channels are stored in separate planes; save them pixel by pixel".into(),
            ));
        }
        let explain = |error| explain(error, limits);
        let (width, height) = self.decoder.dimensions().map_err(explain)?;
        let pixels = u64::from(width) * u64::from(height);
        // The stored values, at most 8 bytes each, and the converted ones.
        limits.check(NAME, (height, width), pixels * stored as u64 * 16, length)?;
        let values = self.decoder.read_image().map_err(explain)?;
        let (mut samples, whole) = samples(values, stored, used);
        if self.is_negative {
            as_stored(&mut samples, whole);
        }
        let (height, width) = (height as usize, width as usize);
        let expected = height * width * used;
        let found = match &samples {
            Samples::U8(values) => values.len(),
            Samples::U16(values) => values.len(),
            Samples::F32(values) => values.len(),
            Samples::F64(values) => values.len(),
        };
        if found != expected {
            return Err(DecodeError::Damaged {
                format: NAME,
                detail: format!("it has {found} values instead of {expected}"),
            });
        }
        Ok(Raster::new(height, width, used, samples, whole).negative(self.is_negative))
    }
}

/// The values without alpha, and the range of their type.
fn samples(values: DecodingResult, stored: usize, used: usize) -> (Samples, Whole) {
    fn kept<T: Copy, U>(
        values: &[T],
        stored: usize,
        used: usize,
        convert: impl Fn(T) -> U,
    ) -> Vec<U> {
        let pixels = values.chunks_exact(stored);
        pixels
            .flat_map(|pixel| &pixel[..used])
            .map(|&value| convert(value))
            .collect()
    }
    let f32s = |values: Vec<f32>| (Samples::F32(values), Whole::FLOAT);
    match values {
        DecodingResult::U8(values) => (
            Samples::U8(kept(&values, stored, used, |v| v)),
            Whole::unsigned(8),
        ),
        DecodingResult::U16(values) => (
            Samples::U16(kept(&values, stored, used, |v| v)),
            Whole::unsigned(16),
        ),
        DecodingResult::I8(values) => (
            Samples::F32(kept(&values, stored, used, f32::from)),
            Whole::signed(8),
        ),
        DecodingResult::I16(values) => (
            Samples::F32(kept(&values, stored, used, f32::from)),
            Whole::signed(16),
        ),
        DecodingResult::U32(values) => (
            Samples::F64(kept(&values, stored, used, f64::from)),
            Whole::unsigned(32),
        ),
        DecodingResult::I32(values) => (
            Samples::F64(kept(&values, stored, used, f64::from)),
            Whole::signed(32),
        ),
        DecodingResult::U64(values) => (
            Samples::F64(kept(&values, stored, used, |v| v as f64)),
            Whole::unsigned(64),
        ),
        DecodingResult::I64(values) => (
            Samples::F64(kept(&values, stored, used, |v| v as f64)),
            Whole::signed(64),
        ),
        DecodingResult::F16(values) => f32s(kept(&values, stored, used, |v| v.to_f32())),
        DecodingResult::F32(values) => f32s(kept(&values, stored, used, |v| v)),
        DecodingResult::F64(values) => (
            Samples::F64(kept(&values, stored, used, |v| v)),
            Whole::FLOAT,
        ),
    }
}

/// Restores the stored values of a negative, which `tiff` inverts.
fn as_stored(samples: &mut Samples, whole: Whole) {
    let white = match whole {
        Whole::OfType { white, .. } => white,
        _ => return,
    };
    match samples {
        Samples::U8(values) => values.iter_mut().for_each(|value| *value = !*value),
        Samples::U16(values) => values.iter_mut().for_each(|value| *value = !*value),
        Samples::F32(values) => values
            .iter_mut()
            .for_each(|value| *value = white as f32 - *value),
        Samples::F64(values) => values.iter_mut().for_each(|value| *value = white - *value),
    }
}

fn explain(error: tiff::TiffError, limits: &Limits) -> DecodeError {
    let format = NAME;
    match error {
        tiff::TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::EndsTooEarly { format }
        }
        tiff::TiffError::LimitsExceeded => DecodeError::TooMuchMemory {
            format,
            memory: limits.memory.saturating_add(1),
            limit: limits.memory,
        },
        tiff::TiffError::UnsupportedError(error) => DecodeError::Unsupported {
            format,
            detail: error.to_string(),
        },
        error => DecodeError::Damaged {
            format,
            detail: error.to_string(),
        },
    }
}
