//! From the bytes of a picture file to pixels.

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

/// How a picture file is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What it may ask for.
    pub limits: Limits,
    /// Which of its values become black and white.
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
    /// A format that people take for a picture, and that is not read.
    #[error("{0}")]
    Foreign(&'static str),
    /// The header promises more pixels than [`Limits::pixels`].
    #[error(
        "is a {format} of {height} × {width} pixels, {} megapixels; {} are read unless more are \
         allowed, and reading it takes up to {} of memory",
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
        /// Bytes that decoding takes at most.
        memory: u64,
    },
    /// Decoding would take more than [`Limits::memory`].
    #[error(
        "is a {format} that takes {} of memory to decode, more than the {} allowed",
        gigabytes(*memory),
        gigabytes(*limit)
    )]
    TooMuchMemory {
        /// The format's name.
        format: &'static str,
        /// Bytes that decoding takes.
        memory: u64,
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
    /// A value for which there is no grey.
    #[error("{0}")]
    NotFinite(#[from] NotFinite),
    /// The bytes contradict the format.
    #[error("is a damaged {format}: {detail}")]
    Damaged {
        /// The format's name.
        format: &'static str,
        /// What the decoder says.
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

/// Reads the picture file at `path`; see [`decode`].
///
/// # Errors
/// If it cannot be read, is larger than allowed, or [`decode`] fails.
pub fn read(path: &Path, limits: &Limits) -> Result<Picture, Error> {
    read_as(path, &limits.clone().into())
}

/// As [`read`], with the range of values to be shown.
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

/// The bytes of the file at `path`, no more than [`Limits::file_bytes`].
///
/// # Errors
/// If it cannot be read, is no file, or is larger than allowed.
pub fn bytes_of(path: &Path, limits: &Limits) -> Result<Vec<u8>, Error> {
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

/// Decodes a PNG, JPEG, WebP, TIFF, BMP or (first frame) GIF, known by its first bytes.
///
/// Whatever the file holds becomes 8-bit RGB, the right way up:
/// - the EXIF orientation (of a TIFF, the tag) is applied;
/// - grey, 1-bit and palette pictures take their colours, CMYK is converted, inverted or not;
/// - alpha is dropped, as Pillow's `convert("RGB")` does: the colours behind it show;
/// - 16 bits `v` become `v · 255 / 65535`, rounded (Pillow cuts coloured ones to the upper byte, up
///   to 1 less, and clips grey ones at 255), floats `v · 255`; [`decode_as`] takes another range,
///   and [`Picture::notes`] tells where another one was probably meant;
/// - of a TIFF with several pictures the first is read, and noted;
/// - of a truncated JPEG what is there is decoded, as by Pillow with `LOAD_TRUNCATED_IMAGES`: the
///   rows that are missing stay grey, the row of blocks with the cut is undefined behind the cut,
///   and [`Picture::is_whole`] tells.
///   Every other truncated file is an error.
///
/// # Errors
/// If the bytes are no such file, damaged, or ask for more than `limits` allow. A decoder that
/// panics is an error too.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    decode_as(bytes, &limits.clone().into())
}

/// As [`decode`], with the range of values to be shown. It applies to 8-bit pictures as to all
/// others.
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
    // The decoders' authors promise no panic on damaged files, but a run over a thousand files
    // does not hang on that promise.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, limits),
        ImageFormat::Tiff => tiff(bytes, limits),
        _ => other(bytes, format, name, limits),
    }));
    let decoded = decoded.unwrap_or_else(|_| {
        Err(DecodeError::Damaged {
            format: name,
            detail: "its decoder gave up".to_owned(),
        })
    })?;
    let mut picture = upright(decoded.values.picture(reading.range)?, decoded.orientation);
    if decoded.has_more {
        picture = picture.with_note("the file holds several pictures; the first one is read");
    }
    if format == ImageFormat::Jpeg && !jpeg::is_whole(bytes) {
        return Ok(picture.cut_off());
    }
    Ok(picture)
}

/// A file's picture before its values are brought to 8 bits.
struct Decoded {
    values: Values,
    orientation: Orientation,
    /// Whether the file holds further pictures.
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

/// The picture turned and mirrored as its file wants it to be seen.
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

/// The format that the first bytes tell.
fn known(bytes: &[u8]) -> Result<ImageFormat, DecodeError> {
    // Large TIFFs (BigTIFF), which `image` does not know by their first bytes.
    if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") {
        return Ok(ImageFormat::Tiff);
    }
    if let Some(what) = foreign::recognise(bytes) {
        return Err(DecodeError::Foreign(what));
    }
    image::guess_format(bytes).map_err(|_| unknown(bytes))
}

/// Whether the first bytes are those of a picture, of a format that is read or that is known by name
/// only.
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
