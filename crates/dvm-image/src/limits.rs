//! What a file may ask for.

use crate::DecodeError;

/// What a file may ask for before it is refused; checked before memory is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a file.
    pub file_bytes: u64,
    /// Most pixels (rows × columns).
    pub pixels: u64,
    /// Most bytes that decoding may take, as far as the format's decoder counts them, together with
    /// the 3 bytes per pixel of the picture itself.
    pub memory: u64,
}

/// Bytes that decoding one pixel takes at most in the formats that are common: a 16-bit RGB picture
/// or the coefficients of a progressive JPEG (6), and the picture itself (3).
const PER_PIXEL: u64 = 9;

impl Default for Limits {
    /// 512 MiB of file, 268 megapixels (16384 × 16384: a phone's picture of 200 megapixels passes),
    /// 2.4 GB of memory.
    fn default() -> Self {
        Self::up_to(1 << 28)
    }
}

/// Pictures of more pixels than this must come from files that are large enough for them.
const LARGE: u64 = 64_000_000;

/// Pixels that a byte can hold at most in DEFLATE, the best of the usual compressions: 1 bit each,
/// 1032 to 1.
const PER_BYTE: u64 = 8 * 1032;

/// Pixels that a byte can hold at most in a JPEG: a bit for each block of 8 × 8.
const PER_BYTE_OF_JPEG: u64 = 8 * 64;

impl Limits {
    /// Limits that let pictures of so many pixels pass, and the memory that decoding them takes: 9
    /// bytes per pixel.
    pub fn up_to(pixels: u64) -> Self {
        Self {
            file_bytes: 512 << 20,
            pixels,
            memory: pixels.saturating_mul(PER_PIXEL),
        }
    }

    /// The same, files of any length being read that a picture of so many pixels may need.
    #[must_use]
    pub fn with_long_files(self) -> Self {
        Self {
            file_bytes: self.file_bytes.max(self.pixels.saturating_mul(8)),
            ..self
        }
    }

    /// Refuses what a header promises; `memory` is the bytes that decoding takes besides the picture
    /// itself, `length` those of the file.
    pub(crate) fn check(
        &self,
        format: &'static str,
        (height, width): (u32, u32),
        memory: u64,
        length: usize,
    ) -> Result<(), DecodeError> {
        if height == 0 || width == 0 {
            return Err(DecodeError::Damaged {
                format,
                detail: format!("it has {height} × {width} pixels"),
            });
        }
        let pixels = u64::from(height) * u64::from(width);
        if pixels > self.pixels {
            return Err(DecodeError::TooManyPixels {
                format,
                height,
                width,
                limit: self.pixels,
                memory: pixels.saturating_mul(PER_PIXEL),
            });
        }
        let per_byte = match format {
            "JPEG" => PER_BYTE_OF_JPEG,
            _ => PER_BYTE,
        };
        if pixels > LARGE && pixels / per_byte > length as u64 {
            return Err(DecodeError::Damaged {
                format,
                detail: format!(
                    "it claims {height} × {width} pixels, more than {length} bytes can hold"
                ),
            });
        }
        let memory = memory.saturating_add(3 * pixels);
        if memory > self.memory {
            return Err(DecodeError::TooMuchMemory {
                format,
                memory,
                limit: self.memory,
            });
        }
        Ok(())
    }
}
