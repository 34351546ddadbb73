//! JPEG encoding.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::Picture;

/// The bytes of a JPEG file. `quality` is from 1 (lowest) to 100. The same picture gives the same
/// bytes.
///
/// # Panics
/// If a side has more than 65,535 pixels, the most that JPEG allows.
pub fn encode_jpeg(picture: &Picture, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let side = |length: usize| u32::try_from(length).expect("a JPEG has few pixels");
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .write_image(
            picture.rgb(),
            side(picture.width()),
            side(picture.height()),
            ExtendedColorType::Rgb8,
        )
        .expect("a JPEG has at most 65,535 rows and columns, and writing to memory does not fail");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, decode};

    #[test]
    fn an_encoded_picture_is_decoded_to_nearly_the_same_pixels() {
        let mut picture = Picture::filled(40, 56, [40, 90, 200]);
        for y in 10..30 {
            for x in 20..50 {
                picture.set_pixel(y, x, [220, 180, 60]);
            }
        }
        let bytes = encode_jpeg(&picture, 95);
        assert_eq!(bytes, encode_jpeg(&picture, 95));
        let read = decode(&bytes, &Limits::default()).unwrap();
        assert_eq!((read.height(), read.width()), (40, 56));
        let (a, b) = (picture.rgb(), read.rgb());
        let off: f64 = a
            .iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a.abs_diff(b)))
            .sum();
        assert!(off / (a.len() as f64) < 3.0, "{off}");
    }
}
