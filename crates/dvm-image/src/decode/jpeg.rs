//! JPEG files, complete or truncated within a scan.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::{DecodeError, Decoded, Limits, Values};

const NAME: &str = "JPEG";

/// Decodes to RGB.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    // In strict mode a file that ends within its scan is an error.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_height(usize::from(u16::MAX))
        .set_max_width(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(explain)?;
    let info = decoder.info().expect("the headers were decoded");
    let (height, width) = (u32::from(info.height), u32::from(info.width));
    let pixels = u64::from(height) * u64::from(width);
    // With several scans, the decoder keeps two bytes per coefficient.
    let memory = match is_in_one_scan(bytes) {
        true => 0,
        false => pixels * 2 * u64::from(info.components),
    };
    limits.check(NAME, (height, width), memory, bytes.len())?;

    let mut rgb = RgbImage::new(width, height);
    if let Err(error) = decoder.decode_into(&mut rgb) {
        // A file with several scans can end between two of them.
        let mut whole_scans = whole_scans(bytes).ok_or_else(|| explain(error))?.to_vec();
        whole_scans.extend(END_OF_IMAGE);
        JpegDecoder::new_with_options(ZCursor::new(&whole_scans), options)
            .decode_into(&mut rgb)
            .map_err(explain)?;
    }
    let orientation = info.exif_data.as_deref();
    let orientation = orientation.and_then(Orientation::from_exif_chunk);
    Ok(Decoded {
        values: Values::Image(DynamicImage::ImageRgb8(rgb)),
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        has_more: false,
    })
}

/// Whether the file is baseline and its first scan has all components, so that it is decoded row by
/// row.
fn is_in_one_scan(bytes: &[u8]) -> bool {
    let mut at = 2;
    let mut components = None;
    while let Some([0xff, marker, high, low]) = bytes.get(at..at + 4) {
        match marker {
            // Baseline or extended, with Huffman codes.
            0xc0 | 0xc1 => components = bytes.get(at + 9),
            0xc2 => return false,
            &START_OF_SCAN => return components.is_some() && components == bytes.get(at + 4),
            _ => {}
        }
        at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
    }
    false
}

const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// The file up to the end of the last scan that is followed by another marker or by the end of the
/// file; `None` if there is no such scan.
fn whole_scans(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 2;
    let mut end = None;
    while let [0xff, marker, high, low, ..] = bytes.get(at..)? {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        at += 2 + length;
        if at > bytes.len() {
            break;
        }
        if *marker == START_OF_SCAN {
            at += entropy_coded(&bytes[at..]);
            end = Some(at);
        }
    }
    end.map(|end| &bytes[..end])
}

/// Whether the file has the end-of-image marker.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let Some(scans) = whole_scans(bytes) else {
        return false;
    };
    bytes[scans.len()..].starts_with(&END_OF_IMAGE)
}

const START_OF_SCAN: u8 = 0xda;

/// Bytes before the next marker other than a restart marker.
fn entropy_coded(bytes: &[u8]) -> usize {
    let is_end = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    let end = bytes.windows(2).position(is_end);
    end.unwrap_or(bytes.len() - usize::from(bytes.ends_with(&[0xff])))
}

fn explain(error: DecodeErrors) -> DecodeError {
    let format = NAME;
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => {
            DecodeError::EndsTooEarly { format }
        }
        DecodeErrors::Unsupported(scheme) => DecodeError::Unsupported {
            format,
            detail: format!("{scheme:?}"),
        },
        error => DecodeError::Damaged {
            format,
            detail: format!("{error:?}"),
        },
    }
}
