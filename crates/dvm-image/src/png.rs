//! Pictures as PNG files.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::Picture;

/// The bytes of a PNG file, 8-bit RGB, the same for the same picture.
///
/// Fast compression: figures are written often and read once.
///
/// # Panics
/// If a side has 2³¹ pixels or more, which PNG cannot express.
pub fn encode_png(picture: &Picture) -> Vec<u8> {
    let mut bytes = Vec::new();
    let width = u32::try_from(picture.width()).expect("a PNG has fewer than 2^31 columns");
    let height = u32::try_from(picture.height()).expect("a PNG has fewer than 2^31 rows");
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(picture.rgb(), width, height, ExtendedColorType::Rgb8)
        .expect("writing to memory does not fail");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, decode};

    #[test]
    fn what_is_written_is_read_back_and_always_the_same_bytes() {
        let rgb = (0..31 * 17 * 3).map(|i| (i * i % 256) as u8).collect();
        let picture = Picture::new(31, 17, rgb);
        let bytes = encode_png(&picture);
        assert_eq!(decode(&bytes, &Limits::default()).unwrap(), picture);
        assert_eq!(encode_png(&picture), bytes);
    }
}
