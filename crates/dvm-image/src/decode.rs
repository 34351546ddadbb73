//! Decodes picture files.

mod foreign;
mod jpeg;
mod png;
mod tiff;

use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use image::error::{ImageError, ImageResult};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat};

use crate::raster::{Raster, Samples, Whole};
use crate::{Limits, NotFinite, Picture, Range};

/// Settings for reading a picture file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Limits on size and memory.
    pub limits: Limits,
    /// Which values become black and white.
    pub range: Range,
}

impl From<Limits> for Reading {
    fn from(limits: Limits) -> Self {
        Self {
            limits,
            range: Range::File,
        }
    }
}

/// An error of [`read`]; the message starts with the file name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        reason: std::io::Error,
    },
    /// The file is larger than [`Limits::file_bytes`].
    #[error("{path} is too large: the limit for a picture file is {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is not a picture, or cannot be decoded.
    #[error("{path} {reason}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: DecodeError,
    },
}

/// An error of [`decode`]; the message continues a sentence that starts with a file name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file has no bytes.
    #[error("is empty")]
    Empty,
    /// The format is not known.
    #[error(
        "is not in a supported picture format (PNG, JPEG, WebP, TIFF, BMP, GIF); it starts with {0}"
    )]
    UnknownFormat(String),
    /// A known format that is not supported.
    #[error("{0}")]
    Foreign(&'static str),
    /// The picture has more pixels than [`Limits::pixels`].
    #[error(
        "is a {format} of {height} × {width} pixels, {} megapixels; the limit is {} megapixels. \
         Reading it needs up to {} of memory",
        megapixels(u64::from(*height) * u64::from(*width)),
        megapixels(*limit),
        gigabytes(*memory)
    )]
    TooManyPixels {
        /// The format's name.
        format: &'static str,
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
        /// [`Limits::pixels`].
        limit: u64,
        /// The most bytes that decoding needs.
        memory: u64,
    },
    /// Decoding needs more than [`Limits::memory`].
    #[error(
        "is a {format} that needs {} of memory to decode; the limit is {}",
        gigabytes(*memory),
        gigabytes(*limit)
    )]
    TooMuchMemory {
        /// The format's name.
        format: &'static str,
        /// Bytes that decoding needs.
        memory: u64,
        /// [`Limits::memory`].
        limit: u64,
    },
    /// The end of the file is missing.
    #[error("is an incomplete {format}: the end of the file is missing")]
    EndsTooEarly {
        /// The format's name.
        format: &'static str,
    },
    /// The file uses a feature that is not supported.
    #[error("is a {format} with an unsupported feature: {detail}")]
    Unsupported {
        /// The format's name.
        format: &'static str,
        /// The message of the decoder.
        detail: String,
    },
    /// A value is infinite or not a number.
    #[error("{0}")]
    NotFinite(#[from] NotFinite),
    /// The file is damaged.
    #[error("is a damaged {format}: {detail}")]
    Damaged {
        /// The format's name.
        format: &'static str,
        /// The message of the decoder.
        detail: String,
    },
}

fn megapixels(pixels: u64) -> u64 {
    pixels / 1_000_000
}

fn gigabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{bytes} bytes"),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Reads a picture file; see [`decode`].
///
/// # Errors
/// If the file cannot be read or is too large, or [`decode`] fails.
pub fn read(path: &Path, limits: &Limits) -> Result<Picture, Error> {
    read_as(path, &limits.clone().into())
}

/// As [`read`], with a range of values.
///
/// # Errors
/// As [`read`].
pub fn read_as(path: &Path, reading: &Reading) -> Result<Picture, Error> {
    let bytes = bytes_of(path, &reading.limits)?;
    decode_as(&bytes, reading).map_err(|reason| Error::Decode {
        path: path.to_owned(),
        reason,
    })
}

/// Reads the bytes of a file.
///
/// # Errors
/// If the file cannot be read, is not a file, or is larger than [`Limits::file_bytes`].
pub fn bytes_of(path: &Path, limits: &Limits) -> Result<Vec<u8>, Error> {
    let unreadable = |reason| Error::Unreadable {
        path: path.to_owned(),
        reason,
    };
    // A named pipe or a device could block forever.
    let kind = std::fs::metadata(path).map_err(unreadable)?;
    if !kind.is_file() && !kind.is_dir() {
        return Err(unreadable(std::io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take(limits.file_bytes.saturating_add(1))
                .read_to_end(&mut bytes)
        })
        .map_err(unreadable)?;
    if bytes.len() as u64 > limits.file_bytes {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            limit: limits.file_bytes,
        });
    }
    Ok(bytes)
}

/// Decodes a PNG, JPEG, WebP, TIFF, BMP or (first frame) GIF. The format follows from the first
/// bytes. The result is 8-bit RGB:
/// - the EXIF orientation (in a TIFF, the tag) is applied;
/// - grey, 1-bit, palette and CMYK pictures are converted;
/// - alpha is dropped, as by Pillow's `convert("RGB")`;
/// - a 16-bit value `v` becomes `v · 255 / 65535`, rounded (Pillow keeps the upper byte of colours,
///   and clips grey values at 255), a float `v · 255`; [`decode_as`] accepts another range, and
///   [`Picture::notes`] warns if another range seems right;
/// - of a TIFF with several pictures the first is read, with a note;
/// - a truncated JPEG is decoded as by Pillow with `LOAD_TRUNCATED_IMAGES`: missing rows are grey,
///   the row of blocks with the end of the data is undefined after it, and [`Picture::is_whole`] is
///   false. Every other truncated file is an error.
///
/// # Errors
/// If the format is not supported, the file is damaged, or a limit is exceeded. A panic of a
/// decoder is an error, too.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    decode_as(bytes, &limits.clone().into())
}

/// As [`decode`], with a range of values. It applies to 8-bit pictures, too.
///
/// # Errors
/// As [`decode`], and [`DecodeError::NotFinite`] for a float that is infinite or not a number.
pub fn decode_as(bytes: &[u8], reading: &Reading) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let limits = &reading.limits;
    let format = known(bytes)?;
    let name = name(format).ok_or_else(|| unknown(bytes))?;
    // A decoder should not panic on a damaged file; if it does, a run over many files must go on.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, limits),
        ImageFormat::Tiff => tiff(bytes, limits),
        _ => other(bytes, format, name, limits),
    }));
    let decoded = decoded.unwrap_or_else(|_| {
        Err(DecodeError::Damaged {
            format: name,
            detail: "the decoder failed".to_owned(),
        })
    })?;
    let mut picture = upright(decoded.values.picture(reading.range)?, decoded.orientation);
    if decoded.has_more {
        picture = picture.with_note("the file has several pictures; only the first one is used");
    }
    if format == ImageFormat::Jpeg && !jpeg::is_whole(bytes) {
        return Ok(picture.cut_off());
    }
    Ok(picture)
}

/// A decoded picture, before its values are converted to 8 bits.
struct Decoded {
    values: Values,
    orientation: Orientation,
    /// Whether the file has more pictures.
    has_more: bool,
}

enum Values {
    Image(DynamicImage),
    Raster(Raster),
}

impl Values {
    fn picture(self, range: Range) -> Result<Picture, NotFinite> {
        let image = match self {
            Self::Raster(raster) => return raster.picture(range),
            Self::Image(image) => image,
        };
        let (height, width) = (image.height() as usize, image.width() as usize);
        let raster =
            |channels, samples, whole| Raster::new(height, width, channels, samples, whole);
        let whole = Whole::unsigned(16);
        let raster = match image {
            DynamicImage::ImageLuma16(grey) => raster(1, Samples::U16(grey.into_raw()), whole),
            DynamicImage::ImageLumaA16(grey) => {
                let grey = grey.into_raw().into_iter().step_by(2).collect();
                raster(1, Samples::U16(grey), whole)
            }
            DynamicImage::ImageRgb16(rgb) => raster(3, Samples::U16(rgb.into_raw()), whole),
            image @ DynamicImage::ImageRgba16(_) => {
                raster(3, Samples::U16(image.into_rgb16().into_raw()), whole)
            }
            DynamicImage::ImageRgb32F(rgb) => raster(3, Samples::F32(rgb.into_raw()), Whole::FLOAT),
            image @ DynamicImage::ImageRgba32F(_) => raster(
                3,
                Samples::F32(image.into_rgb32f().into_raw()),
                Whole::FLOAT,
            ),
            bytes => {
                let rgb = bytes.into_rgb8().into_raw();
                if range.is_file() {
                    return Ok(Picture::new(height, width, rgb));
                }
                raster(3, Samples::U8(rgb), Whole::unsigned(8))
            }
        };
        raster.picture(range)
    }
}

/// Applies an orientation.
fn upright(picture: Picture, orientation: Orientation) -> Picture {
    if orientation == Orientation::NoTransforms {
        return picture;
    }
    picture.map_image(|image| {
        let mut image = DynamicImage::ImageRgb8(image);
        image.apply_orientation(orientation);
        image.into_rgb8()
    })
}

fn unknown(bytes: &[u8]) -> DecodeError {
    DecodeError::UnknownFormat(beginning(bytes))
}

/// The format, from the first bytes.
fn known(bytes: &[u8]) -> Result<ImageFormat, DecodeError> {
    // `image` does not recognise BigTIFF.
    if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") {
        return Ok(ImageFormat::Tiff);
    }
    if let Some(what) = foreign::recognise(bytes) {
        return Err(DecodeError::Foreign(what));
    }
    image::guess_format(bytes).map_err(|_| unknown(bytes))
}

/// Whether the first bytes are those of a supported picture format or of a known unsupported one.
pub fn is_recognised(bytes: &[u8]) -> bool {
    !matches!(known(bytes), Err(DecodeError::UnknownFormat(_)))
}

fn tiff(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let format = ImageFormat::Tiff;
    let Some(mut look) = tiff::look(bytes, limits)? else {
        return other(bytes, format, "TIFF", limits);
    };
    let has_more = look.has_more;
    if !look.is_unusual() {
        let decoded = other(bytes, format, "TIFF", limits)?;
        return Ok(Decoded {
            has_more,
            ..decoded
        });
    }
    Ok(Decoded {
        values: Values::Raster(look.raster(bytes.len(), limits)?),
        orientation: Orientation::from_exif(look.orientation).unwrap_or(Orientation::NoTransforms),
        has_more,
    })
}

fn other(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    limits: &Limits,
) -> Result<Decoded, DecodeError> {
    let mut of_decoder = image::Limits::no_limits();
    of_decoder.max_alloc = Some(limits.memory);
    let fail = |error| {
        if is_cut(bytes, format) {
            return DecodeError::EndsTooEarly { format: name };
        }
        explain(error, name, limits)
    };
    let needed = match format {
        ImageFormat::Png => png::without_profiles(bytes),
        _ => bytes.into(),
    };
    let mut decoder = decoder(&needed, format, of_decoder.clone()).map_err(fail)?;
    let (width, height) = decoder.dimensions();
    limits.check(name, (height, width), decoder.total_bytes(), bytes.len())?;
    decoder.set_limits(of_decoder).map_err(fail)?;
    let orientation = decoder.orientation().map_err(fail)?;
    let image = DynamicImage::from_decoder(decoder).map_err(fail)?;
    Ok(Decoded {
        values: Values::Image(image),
        orientation,
        has_more: false,
    })
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

/// Whether a file that could not be decoded is truncated, for decoders that do not distinguish that
/// from damage. A WebP has its length in the header, a GIF ends with a semicolon.
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
            memory: limits.memory.saturating_add(1),
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

/// The first bytes as text if they are text, otherwise in hexadecimal.
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
