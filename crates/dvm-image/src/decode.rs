//! From the bytes of a picture file to pixels.

mod jpeg;

use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use image::error::{ImageError, ImageResult};
use image::{DynamicImage, ImageDecoder, ImageFormat};

use crate::Picture;

/// What a file may ask for before it is refused; checked before memory is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a file.
    pub file_bytes: u64,
    /// Most pixels (rows × columns).
    pub pixels: u64,
    /// Most bytes that decoding may take, as far as the format's decoder counts them.
    pub memory: u64,
}

impl Default for Limits {
    /// 512 MiB of file, 100 megapixels, 1 GiB of memory.
    fn default() -> Self {
        Self {
            file_bytes: 512 << 20,
            pixels: 100_000_000,
            memory: 1 << 30,
        }
    }
}

impl Limits {
    /// Refuses what a header promises, `memory` being the bytes that decoding it takes.
    fn check(
        &self,
        format: &'static str,
        height: u32,
        width: u32,
        memory: u64,
    ) -> Result<(), DecodeError> {
        if height == 0 || width == 0 {
            return Err(DecodeError::Damaged {
                format,
                detail: format!("it has {height} × {width} pixels"),
            });
        }
        if u64::from(height) * u64::from(width) > self.pixels {
            return Err(DecodeError::TooManyPixels {
                format,
                height,
                width,
                limit: self.pixels,
            });
        }
        if memory > self.memory {
            return Err(DecodeError::TooMuchMemory {
                format,
                limit: self.memory,
            });
        }
        Ok(())
    }
}

/// Why [`read`] gave no picture; the message begins with the file's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The file is larger than [`Limits::file_bytes`].
    #[error("{path} has more than {limit} bytes, the most that is read of a picture file")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is no picture, or none that can be decoded.
    #[error("{path} {reason}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: DecodeError,
    },
}

/// Why [`decode`] gave no picture; the message continues a sentence that begins with a file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes.
    #[error("is empty")]
    Empty,
    /// The first bytes are those of no format that is read.
    #[error(
        "is not a picture this program reads (PNG, JPEG, WebP, TIFF, BMP, GIF); it begins with {0}"
    )]
    UnknownFormat(String),
    /// The header promises more pixels than [`Limits::pixels`].
    #[error("is a {format} of {height} × {width} pixels, more than the {limit} that are read")]
    TooManyPixels {
        /// The format's name.
        format: &'static str,
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
        /// [`Limits::pixels`].
        limit: u64,
    },
    /// Decoding would take more than [`Limits::memory`].
    #[error("is a {format} that takes more memory to decode than the {limit} bytes allowed")]
    TooMuchMemory {
        /// The format's name.
        format: &'static str,
        /// [`Limits::memory`].
        limit: u64,
    },
    /// The bytes stop before the picture does.
    #[error("ends too early: it is a {format} of which a part is missing")]
    EndsTooEarly {
        /// The format's name.
        format: &'static str,
    },
    /// A valid file with a feature that is not supported.
    #[error("is a {format} of a kind this program does not read: {detail}")]
    Unsupported {
        /// The format's name.
        format: &'static str,
        /// What the decoder says.
        detail: String,
    },
    /// The bytes contradict the format.
    #[error("is a damaged {format}: {detail}")]
    Damaged {
        /// The format's name.
        format: &'static str,
        /// What the decoder says.
        detail: String,
    },
}

/// Reads the picture file at `path`; see [`decode`].
///
/// # Errors
/// If it cannot be read, is larger than allowed, or [`decode`] fails.
pub fn read(path: &Path, limits: &Limits) -> Result<Picture, Error> {
    let unreadable = |reason| Error::Unreadable {
        path: path.to_owned(),
        reason,
    };
    // A named pipe or a device would block for ever or never end.
    let kind = std::fs::metadata(path).map_err(unreadable)?;
    if !kind.is_file() && !kind.is_dir() {
        return Err(unreadable(std::io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            let most = limits.file_bytes.saturating_add(1);
            file.take(most).read_to_end(&mut bytes)
        })
        .map_err(unreadable)?;
    if bytes.len() as u64 > limits.file_bytes {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            limit: limits.file_bytes,
        });
    }
    decode(&bytes, limits).map_err(|reason| Error::Decode {
        path: path.to_owned(),
        reason,
    })
}

/// Decodes a PNG, JPEG, WebP, TIFF, BMP or (first frame) GIF, known by its first bytes.
///
/// Whatever the file holds becomes 8-bit RGB, the right way up:
/// - the EXIF orientation (of a TIFF, the tag) is applied;
/// - grey, 1-bit and palette pictures take their colours, CMYK is converted, inverted or not;
/// - alpha is dropped, as Pillow's `convert("RGB")` does: the colours behind it show;
/// - 16 bits `v` become `v · 255 / 65535`, rounded (Pillow cuts coloured ones to the upper byte, up
///   to 1 less, and clips grey ones at 255);
/// - of a truncated JPEG what is there is decoded, as by Pillow with `LOAD_TRUNCATED_IMAGES`: the
///   rows that are missing stay grey, the row of blocks with the cut is undefined behind the cut,
///   and [`Picture::is_whole`] tells.
///   Every other truncated file is an error.
///
/// # Errors
/// If the bytes are no such file, damaged, or ask for more than `limits` allow. A decoder that
/// panics is an error too.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let unknown = || DecodeError::UnknownFormat(beginning(bytes));
    let format = image::guess_format(bytes).map_err(|_| unknown())?;
    let name = name(format).ok_or_else(unknown)?;
    // The decoders' authors promise no panic on damaged files, but a run over a thousand files
    // does not hang on that promise.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, limits),
        _ => other(bytes, format, name, limits),
    }));
    let image = decoded.unwrap_or_else(|_| {
        Err(DecodeError::Damaged {
            format: name,
            detail: "its decoder gave up".to_owned(),
        })
    })?;
    let (height, width) = (image.height() as usize, image.width() as usize);
    let picture = Picture::new(height, width, image.into_rgb8().into_raw());
    if format == ImageFormat::Jpeg && !jpeg::is_whole(bytes) {
        return Ok(picture.cut_off());
    }
    Ok(picture)
}

fn other(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    limits: &Limits,
) -> Result<DynamicImage, DecodeError> {
    let mut of_decoder = image::Limits::no_limits();
    of_decoder.max_alloc = Some(limits.memory);
    let fail = |error| {
        if is_cut(bytes, format) {
            return DecodeError::EndsTooEarly { format: name };
        }
        explain(error, name, limits)
    };
    let mut decoder = decoder(bytes, format, of_decoder.clone()).map_err(fail)?;
    let (width, height) = decoder.dimensions();
    limits.check(name, height, width, decoder.total_bytes())?;
    decoder.set_limits(of_decoder).map_err(fail)?;
    let orientation = decoder.orientation().map_err(fail)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(fail)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn decoder<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    limits: image::Limits,
) -> ImageResult<Box<dyn ImageDecoder + 'a>> {
    let reader = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Png => Box::new(PngDecoder::with_limits(reader, limits)?),
        ImageFormat::WebP => Box::new(WebPDecoder::new(reader)?),
        ImageFormat::Tiff => Box::new(TiffDecoder::new(reader)?),
        ImageFormat::Bmp => Box::new(BmpDecoder::new(reader)?),
        _ => Box::new(GifDecoder::new(reader)?),
    })
}

fn name(format: ImageFormat) -> Option<&'static str> {
    Some(match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        _ => return None,
    })
}

/// Whether a file that could not be decoded lacks its end, for the formats whose decoders do not
/// tell that from damage: a WebP says how long it is, a GIF ends with a semicolon.
fn is_cut(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::WebP => match bytes.get(4..8).and_then(|size| size.first_chunk()) {
            Some(size) => u64::from(u32::from_le_bytes(*size)) + 8 > bytes.len() as u64,
            None => true,
        },
        ImageFormat::Gif => bytes.last() != Some(&b';'),
        _ => false,
    }
}

fn explain(error: ImageError, format: &'static str, limits: &Limits) -> DecodeError {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::EndsTooEarly { format }
        }
        ImageError::Limits(_) => DecodeError::TooMuchMemory {
            format,
            limit: limits.memory,
        },
        ImageError::Unsupported(error) => DecodeError::Unsupported {
            format,
            detail: error.to_string(),
        },
        error => DecodeError::Damaged {
            format,
            detail: error.to_string(),
        },
    }
}

/// The first bytes as a person can recognise them: text if it is text, else hexadecimal.
fn beginning(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(16)];
    match std::str::from_utf8(start) {
        Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
            format!("the text {text:?}")
        }
        _ => {
            let hexadecimal: Vec<String> = start.iter().map(|b| format!("{b:02x}")).collect();
            format!("the bytes {}", hexadecimal.join(" "))
        }
    }
}
