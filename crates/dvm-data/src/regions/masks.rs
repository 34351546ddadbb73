//! Masks: one PNG file per picture, of the same size. Non-zero pixels are the object.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dvm_image::Limits;
use png::{ColorType, Decoder, Transformations};

use super::key::Key;
use super::shape::{Object, Shape};
use super::store::{Described, Files, Store};
use super::{Format, another_size, files};
use crate::Error;

/// PNG masks.
pub(super) const MASKS: Format = Format {
    name: "masks",
    summary: "a folder of masks (PNG, one per picture with its name, non-zero on the object)",
    recognises: |bytes| bytes.starts_with(b"\x89PNG"),
    ending: Some("png"),
    open,
};

fn open(folder: &Path, files: Vec<PathBuf>) -> Result<(Vec<Key>, Box<dyn Store>), Error> {
    Files::open(folder, files, read)
}

fn read(path: &Path, size: (usize, usize)) -> Result<Described<'static>, Error> {
    let limits = Limits::default();
    let bytes = files::bytes_of(path, limits.file_bytes)?;
    let pixels = decoded(&bytes, size, &limits).map_err(|detail| Error::Layout {
        path: path.into(),
        detail,
    })?;
    let object = Object {
        class: None,
        shape: Shape::Mask {
            width: size.1,
            pixels,
        },
        index: 0,
    };
    Ok(Described {
        size: Some(size),
        objects: Cow::Owned(vec![object]),
    })
}

/// The non-zero pixels, `[H, W]`, of a mask of this size. With a palette, the index counts and not the colour;
/// of colours, any channel counts; fully transparent pixels are not the object.
fn decoded(bytes: &[u8], size: (usize, usize), limits: &Limits) -> Result<Arc<[bool]>, String> {
    let broken = |error: png::DecodingError| format!("is not a readable PNG mask: {error}");
    let memory = usize::try_from(limits.memory).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: memory });
    // A few kilobytes of text chunks can inflate to gigabytes, and they do not affect pixels.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::IDENTITY);
    let header = decoder.read_header_info().map_err(broken)?;
    // Checked before memory is allocated: a picture of this size is already in memory.
    let own = (header.height as usize, header.width as usize);
    if own != size {
        return Err(another_size(own, size));
    }
    let mut reader = decoder.read_info().map_err(broken)?;
    let length = reader
        .output_buffer_size()
        .filter(|&length| length <= memory);
    let mut samples = vec![0; length.ok_or("is too large to be read")?];
    let frame = reader.next_frame(&mut samples).map_err(broken)?;
    let bits = frame.bit_depth as usize;
    let mut pixels = Vec::with_capacity(size.0 * size.1);
    for row in samples.chunks_exact(frame.line_size).take(size.0) {
        if bits < 8 {
            let per_byte = 8 / bits;
            let is_object = |column: usize| {
                let shift = 8 - bits * (column % per_byte + 1);
                (row[column / per_byte] >> shift) & ((1 << bits) - 1) != 0
            };
            pixels.extend((0..size.1).map(is_object));
            continue;
        }
        let bytes = bits / 8;
        let (channels, has_alpha) = match frame.color_type {
            ColorType::Grayscale | ColorType::Indexed => (1, false),
            ColorType::GrayscaleAlpha => (2, true),
            ColorType::Rgb => (3, false),
            ColorType::Rgba => (4, true),
        };
        let is_any = |samples: &[u8]| samples.iter().any(|&sample| sample != 0);
        pixels.extend(row.chunks_exact(bytes * channels).map(|pixel| {
            let (colour, alpha) = pixel.split_at(bytes * (channels - usize::from(has_alpha)));
            is_any(colour) && (!has_alpha || is_any(alpha))
        }));
    }
    if pixels.len() != size.0 * size.1 {
        return Err("has fewer pixels than its header declares".into());
    }
    Ok(pixels.into())
}
