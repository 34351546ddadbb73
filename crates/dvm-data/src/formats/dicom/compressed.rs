//! Compressed pixels of DICOM files.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom_encoding::transfer_syntax::TransferSyntax;
use dvm_image::Limits;
use jpeg_decoder::PixelFormat;

use super::super::array::ReadError;
use super::{damaged, rle, unsupported};

/// A compression of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    RunLengths,
    /// Lossy, 8 bits.
    Jpeg,
    JpegLossless,
    Jpeg2000,
}

/// Decoded values, with the channels of a pixel side by side.
pub(super) struct Plain {
    pub values: Vec<u16>,
    /// Whether the channels are red, green and blue, whatever the file's elements say.
    pub is_rgb: bool,
}

/// The shape of a frame, from the file's elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub rows: usize,
    pub columns: usize,
    pub samples: usize,
    /// Bytes of a value.
    pub size: usize,
    /// Used bits of a value.
    pub bits: u32,
}

impl Compression {
    /// The compression of a transfer syntax, if it is supported.
    pub fn of(syntax: &TransferSyntax) -> Option<Self> {
        Some(match syntax.uid() {
            "1.2.840.10008.1.2.5" => Self::RunLengths,
            "1.2.840.10008.1.2.4.50" | "1.2.840.10008.1.2.4.51" => Self::Jpeg,
            "1.2.840.10008.1.2.4.57" | "1.2.840.10008.1.2.4.70" => Self::JpegLossless,
            "1.2.840.10008.1.2.4.90" | "1.2.840.10008.1.2.4.91" => Self::Jpeg2000,
            _ => return None,
        })
    }

    /// The values of one frame.
    pub fn decode(self, frame: &[u8], shape: Shape) -> Result<Plain, ReadError> {
        let decode = || match self {
            Self::RunLengths => run_lengths(frame, shape),
            Self::Jpeg => jpeg(frame, shape),
            Self::JpegLossless => jpeg_lossless(frame, shape),
            Self::Jpeg2000 => jpeg_2000(frame, shape),
        };
        // A decoder may panic on a damaged file; this must not stop a run over many files.
        let plain = catch_unwind(AssertUnwindSafe(decode))
            .unwrap_or_else(|_| Err(damaged("its pixels cannot be decoded")))?;
        let expected = shape.rows * shape.columns * shape.samples;
        if plain.values.len() != expected {
            return Err(damaged(format!(
                "a compressed frame has {} values instead of {expected}",
                plain.values.len()
            )));
        }
        Ok(plain)
    }
}

fn run_lengths(frame: &[u8], shape: Shape) -> Result<Plain, ReadError> {
    let pixels = shape.rows * shape.columns;
    let planes = rle::planes(frame, shape.samples * shape.size, pixels);
    let planes = planes.ok_or_else(|| damaged("its run lengths do not match its size"))?;
    let mut values = vec![0; pixels * shape.samples];
    for (sample, planes) in planes.chunks_exact(shape.size).enumerate() {
        for plane in planes {
            let places = values[sample..].iter_mut().step_by(shape.samples);
            for (value, &byte) in places.zip(plane) {
                *value = *value << 8 | u16::from(byte);
            }
        }
    }
    Ok(Plain {
        values,
        is_rgb: false,
    })
}

fn wrong_size(height: usize, width: usize, shape: Shape) -> ReadError {
    damaged(format!(
        "a compressed frame has {height} rows and {width} columns instead of {} and {}",
        shape.rows, shape.columns
    ))
}

fn jpeg(frame: &[u8], shape: Shape) -> Result<Plain, ReadError> {
    let limits = Limits::up_to((shape.rows * shape.columns) as u64);
    let picture = dvm_image::decode(frame, &limits).map_err(|error| match error {
        dvm_image::DecodeError::Unsupported { .. } => unsupported(
            format!("a JPEG of more than 8 bits or an unusual kind ({error})"),
            super::DECOMPRESS,
        ),
        error => damaged(format!("a compressed frame {error}")),
    })?;
    if (picture.height(), picture.width()) != (shape.rows, shape.columns) {
        return Err(wrong_size(picture.height(), picture.width(), shape));
    }
    let step = if shape.samples == 1 { 3 } else { 1 };
    let values = picture.rgb().iter().step_by(step);
    Ok(Plain {
        values: values.map(|&value| value.into()).collect(),
        is_rgb: shape.samples == 3,
    })
}

fn jpeg_lossless(frame: &[u8], shape: Shape) -> Result<Plain, ReadError> {
    let mut decoder = jpeg_decoder::Decoder::new(frame);
    let broken = |error: jpeg_decoder::Error| match error {
        jpeg_decoder::Error::Unsupported(what) => unsupported(
            format!("a lossless JPEG of an unusual kind ({what:?})"),
            super::DECOMPRESS,
        ),
        error => damaged(format!("a compressed frame cannot be decoded: {error}")),
    };
    // The file's elements define the colours of lossless files.
    decoder.set_color_transform(jpeg_decoder::ColorTransform::None);
    decoder.read_info().map_err(broken)?;
    let info = decoder
        .info()
        .ok_or_else(|| damaged("a compressed frame has no header"))?;
    let (height, width) = (usize::from(info.height), usize::from(info.width));
    if (height, width) != (shape.rows, shape.columns) {
        return Err(wrong_size(height, width, shape));
    }
    let bytes = decoder.decode().map_err(broken)?;
    let values = match info.pixel_format {
        PixelFormat::L16 => {
            let words = bytes.as_chunks::<2>().0.iter();
            words.map(|word| u16::from_ne_bytes(*word)).collect()
        }
        _ => bytes.into_iter().map(u16::from).collect(),
    };
    Ok(Plain {
        values,
        is_rgb: false,
    })
}

fn jpeg_2000(frame: &[u8], shape: Shape) -> Result<Plain, ReadError> {
    let broken = |error| damaged(format!("a compressed frame cannot be decoded: {error}"));
    let settings = hayro_jpeg2000::DecodeSettings {
        strict: true,
        ..Default::default()
    };
    let image = hayro_jpeg2000::Image::new(frame, &settings).map_err(broken)?;
    let (height, width) = (image.height() as usize, image.width() as usize);
    if (height, width) != (shape.rows, shape.columns) {
        return Err(wrong_size(height, width, shape));
    }
    let precision = u32::from(image.original_bit_depth());
    if precision > 16 || image.has_alpha() {
        return Err(unsupported(
            format!("a JPEG 2000 of {precision} bits"),
            super::DECOMPRESS,
        ));
    }
    let mut context = hayro_jpeg2000::DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(broken)?;
    let planes = decoded.components();
    if planes.len() != shape.samples {
        return Err(damaged(format!(
            "a compressed frame has {} channels instead of {}",
            planes.len(),
            shape.samples
        )));
    }
    // The decoder treats signed values as unsigned and adds half of their range.
    let is_signed = is_signed(frame);
    let half = 1i32 << (precision - 1);
    let value = |sample: f32| {
        let value = sample.round() as i32;
        let value = if is_signed { value - half } else { value };
        (value & ((1 << shape.bits) - 1)) as u16
    };
    let pixels = shape.rows * shape.columns;
    let mut values = vec![0; pixels * shape.samples];
    for (channel, plane) in planes.iter().enumerate() {
        let places = values[channel..].iter_mut().step_by(shape.samples);
        for (place, &sample) in places.zip(plane.samples()) {
            *place = value(sample);
        }
    }
    Ok(Plain {
        values,
        is_rgb: shape.samples == 3,
    })
}

/// Whether the first channel of a JPEG 2000 codestream is signed (the highest bit of its depth in the SIZ
/// segment).
fn is_signed(frame: &[u8]) -> bool {
    let siz = frame
        .windows(4)
        .position(|four| four == [0xff, 0x4f, 0xff, 0x51]);
    siz.and_then(|at| frame.get(at + 42))
        .is_some_and(|depth| depth & 0x80 != 0)
}

/// The bytes of each frame, from the file's fragments. The first item is the offset table, which may be
/// empty.
pub(super) fn frames(items: &[Vec<u8>], count: usize) -> Result<Vec<Vec<u8>>, ReadError> {
    let Some((table, fragments)) = items.split_first() else {
        return Err(damaged("it has no pixels"));
    };
    if fragments.len() < count {
        return Err(damaged(format!(
            "it has {} compressed fragments for {count} frames",
            fragments.len()
        )));
    }
    if count == 1 {
        return Ok(vec![fragments.concat()]);
    }
    if fragments.len() == count {
        return Ok(fragments.to_vec());
    }
    let offsets: Vec<usize> = table
        .as_chunks::<4>()
        .0
        .iter()
        .map(|offset| u32::from_le_bytes(*offset) as usize)
        .collect();
    if offsets.len() != count || !offsets.is_sorted() {
        return Err(unsupported(
            "frames in several fragments without an offset table",
            super::DECOMPRESS,
        ));
    }
    let mut frames = vec![Vec::new(); count];
    let mut place = 0;
    for fragment in fragments {
        let frame = offsets.partition_point(|&offset| offset <= place);
        let frame = frame
            .checked_sub(1)
            .ok_or_else(|| damaged("its offset table is wrong"))?;
        frames[frame].extend_from_slice(fragment);
        place += 8 + fragment.len();
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_joined_by_the_offset_table() {
        let table = [0u32, 18].map(u32::to_le_bytes).concat();
        let items = [table, vec![1, 2], vec![], vec![3, 4], vec![5]];
        // The first frame: items at 0 and 10; the second: from 18 on.
        assert_eq!(
            frames(&items, 2).ok(),
            Some(vec![vec![1, 2], vec![3, 4, 5]])
        );
        assert_eq!(frames(&items, 1).ok(), Some(vec![vec![1, 2, 3, 4, 5]]));
        assert_eq!(frames(&items, 4).map(|frames| frames.len()).ok(), Some(4));
        assert!(frames(&items, 3).is_err());
        assert!(frames(&items, 5).is_err());
        assert!(frames(&[], 1).is_err());
    }
}
