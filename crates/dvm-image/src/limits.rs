//! Limits for picture files.

use crate::DecodeError;

/// Limits for picture files, checked before memory is allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum bytes of a file.
    pub file_bytes: u64,
    /// Maximum pixels (rows × columns).
    pub pixels: u64,
    /// Maximum bytes for decoding: those that the decoder counts, and 3 bytes per pixel for the
    /// picture.
    pub memory: u64,
}

/// Maximum bytes per pixel in common formats: a 16-bit RGB picture or the coefficients of a
/// progressive JPEG (6), and the picture (3).
const PER_PIXEL: u64 = 9;

impl Default for Limits {
    /// A file of 512 MiB, 268 megapixels (16384 × 16384), 2.4 GB of memory.
    fn default() -> Self {
        Self::up_to(1 << 28)
    }
}

/// For pictures with more pixels than this, the file size must be plausible.
const LARGE: u64 = 64_000_000;

/// Maximum pixels per byte with DEFLATE, the best of the usual compressions: 1 bit each, 1032 to 1.
const PER_BYTE: u64 = 8 * 1032;

/// Maximum pixels per byte in a JPEG: one bit for each block of 8 × 8.
const PER_BYTE_OF_JPEG: u64 = 8 * 64;

impl Limits {
    /// Limits for pictures of up to this many pixels, with 9 bytes of memory per pixel.
    pub fn up_to(pixels: u64) -> Self {
        Self {
            file_bytes: 512 << 20,
            pixels,
            memory: pixels.saturating_mul(PER_PIXEL),
        }
    }

    /// The same with a file size limit that suits the number of pixels.
    #[must_use]
    pub fn with_long_files(self) -> Self {
        Self {
            file_bytes: self.file_bytes.max(self.pixels.saturating_mul(8)),
            ..self
        }
    }

    /// Checks a header. `memory` is the bytes that decoding needs besides the picture, `length` the
    /// size of the file.
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
                    "its header says {height} × {width} pixels, which is not possible in {length} bytes"
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
