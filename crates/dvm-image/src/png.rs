//! PNG encoding.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::Picture;

/// The bytes of an 8-bit RGB PNG file. The same picture gives the same bytes. Compression is fast
/// rather than small.
///
/// # Panics
/// If a side has 2³¹ pixels or more, the limit of PNG.
pub fn encode_png(picture: &Picture) -> Vec<u8> {
    let (height, width) = (picture.height(), picture.width());
    encode(height, width, picture.rgb(), ExtendedColorType::Rgb8)
}

/// The bytes of an 8-bit grey PNG file of `grey`, `[height, width]`.
///
/// # Panics
/// If the number of bytes does not match, or a side has 2³¹ pixels or more.
pub fn encode_grey_png(height: usize, width: usize, grey: &[u8]) -> Vec<u8> {
    assert_eq!(grey.len(), height * width, "{height} × {width} bytes");
    encode(height, width, grey, ExtendedColorType::L8)
}

fn encode(height: usize, width: usize, values: &[u8], colours: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let width = u32::try_from(width).expect("a PNG has fewer than 2^31 columns");
    let height = u32::try_from(height).expect("a PNG has fewer than 2^31 rows");
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(values, width, height, colours)
        .expect("writing to memory does not fail");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, decode};

    #[test]
    fn an_encoded_picture_is_read_back_and_its_bytes_are_reproducible() {
        let rgb = (0..31 * 17 * 3).map(|i| (i * i % 256) as u8).collect();
        let picture = Picture::new(31, 17, rgb);
        let bytes = encode_png(&picture);
        assert_eq!(decode(&bytes, &Limits::default()).unwrap(), picture);
        assert_eq!(encode_png(&picture), bytes);
    }

    #[test]
    fn grey_is_read_back_as_grey() {
        let grey: Vec<u8> = (0..31 * 17).map(|i| (i * i % 256) as u8).collect();
        let bytes = encode_grey_png(17, 31, &grey);
        let read = decode(&bytes, &Limits::default()).unwrap();
        let rgb: Vec<u8> = grey.iter().flat_map(|&value| [value; 3]).collect();
        assert_eq!(read, Picture::new(17, 31, rgb));
    }
}
