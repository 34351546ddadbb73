//! Unsupported files that are recognised by their first bytes.

/// What a file is, and how to convert it. The text continues a sentence that starts with the file
/// name.
pub(super) fn recognise(bytes: &[u8]) -> Option<&'static str> {
    by_start(bytes)
        .or_else(|| of_iso_media(bytes))
        .or_else(|| of_text(bytes))
        .or_else(|| at_a_place(bytes))
}

const HEIC: &str = "is a HEIC picture, which is not supported: convert it to JPEG or PNG, for example by \
    `magick photo.heic photo.jpg`, `heif-convert photo.heic photo.jpg`, or on a Mac \
    `sips -s format jpeg photo.heic --out photo.jpg`; an iPhone saves JPEGs with Settings > Camera > Formats > Most Compatible";
const AVIF: &str = "is an AVIF picture, which is not supported: convert it to PNG, for example by \
    `avifdec photo.avif photo.png` or `magick photo.avif photo.png`";
const JPEG_XL: &str = "is a JPEG XL picture, which is not supported: convert it to PNG, for example by \
    `djxl photo.jxl photo.png` or `magick photo.jxl photo.png`";
const JPEG_2000: &str = "is a JPEG 2000 picture, which is not supported: convert it to PNG, for example \
    by `opj_decompress -i photo.jp2 -o photo.png` or `magick photo.jp2 photo.png`";
pub(super) const RAW: &str = "is a camera raw file, which is not supported: save it as a JPEG, \
    PNG or 8-bit TIFF, for example by `darktable-cli photo.raw photo.jpg` or `dcraw -T photo.raw`";
const SVG: &str = "is an SVG drawing, which is not supported: convert it to PNG, for example by \
    `resvg drawing.svg drawing.png` or `rsvg-convert drawing.svg -o drawing.png`";
const PDF: &str = "is a PDF document, which is not supported: save its pages as pictures, for example by \
    `pdftoppm -png document.pdf page`, or extract its pictures by `pdfimages -png document.pdf page`";
const POSTSCRIPT: &str = "is a PostScript document, which is not supported: convert it to PNG, for \
                          example by `gs -o page.png -sDEVICE=png16m -r150 document.eps`";
const LAYERS: &str =
    "is a file of a painting program with layers, which is not supported: save it as PNG";
const VIDEO: &str = "is a video, which is not supported: extract single pictures, for example by \
    `ffmpeg -i video.mp4 -vf fps=1 frame-%04d.png`";
const MICROSCOPE: &str = "is in a microscope format, which is not supported: save the plane you \
                          need as TIFF, for example with Fiji (Bio-Formats) or `bfconvert`";
const HIGH_RANGE: &str = "is a high dynamic range picture, which is not supported: apply tone \
                          mapping and save it as PNG";
const PLAIN: &str = "is a Netpbm picture, which is not supported: convert it to PNG, for example by \
    `pnmtopng` or `magick photo.ppm photo.png`";
const ICON: &str = "is an icon file, which is not supported: save one of its pictures as PNG";
const WEB_PAGE: &str = "is a web page, not a picture: the download may have been an error or login \
                        page; download the picture itself";
const ARCHIVE: &str = "is an archive, not a picture: unpack it first";
const DICOM: &str = "is a DICOM file: rename it so that it ends with .dcm";
const NIFTI: &str = "is a NIfTI volume: rename it so that it ends with .nii";
const NUMPY: &str = "is a NumPy array: rename it so that it ends with .npy";
const POINTER: &str = "is a Git LFS pointer, not the picture: download the file by `git lfs pull`";

/// First bytes and messages.
const STARTS: &[(&[u8], &str)] = &[
    (b"\xff\x0a", JPEG_XL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", JPEG_XL),
    (b"\0\0\0\x0cjP  ", JPEG_2000),
    (b"\xff\x4f\xff\x51", JPEG_2000),
    (b"%PDF", PDF),
    (b"%!PS", POSTSCRIPT),
    (b"\xc5\xd0\xd3\xc6", POSTSCRIPT),
    (b"8BPS", LAYERS),
    (b"gimp xcf", LAYERS),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"IIU\0", RAW),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"FOVb", RAW),
    (b"\0MRM", RAW),
    (b"\x1aE\xdf\xa3", VIDEO),
    (b"ZISRAWFILE", MICROSCOPE),
    (b"\xda\xce\xbe\x0a", MICROSCOPE),
    (b"v/1\x01", HIGH_RANGE),
    (b"#?RADIANCE", HIGH_RANGE),
    (b"\0\0\x01\0", ICON),
    (b"\0\0\x02\0", ICON),
    (b"PK\x03\x04", ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", ARCHIVE),
    (b"Rar!", ARCHIVE),
    (b"\x1f\x8b", ARCHIVE),
    (b"\x93NUMPY", NUMPY),
    (b"version https://git-lfs", POINTER),
];

fn by_start(bytes: &[u8]) -> Option<&'static str> {
    // Canon raw files start like a TIFF, followed by `CR`.
    if bytes.starts_with(b"II*\0") && bytes.get(8..10) == Some(b"CR") {
        return Some(RAW);
    }
    if let [b'P', b'1'..=b'7', space, ..] = bytes
        && space.is_ascii_whitespace()
    {
        return Some(PLAIN);
    }
    let found = STARTS.iter().find(|(start, _)| bytes.starts_with(start));
    found.map(|(_, what)| *what)
}

/// Pictures and videos in the ISO base media format (ISO/IEC 14496-12): the first box lists brands.
fn of_iso_media(bytes: &[u8]) -> Option<&'static str> {
    let size = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    if bytes.get(4..8)? != b"ftyp" {
        return None;
    }
    let brands = bytes.get(8..bytes.len().min(size.clamp(16, 256)))?;
    let has = |wanted: &[&[u8; 4]]| {
        let mut all = brands.chunks_exact(4);
        all.any(|brand| wanted.iter().any(|wanted| brand == *wanted))
    };
    Some(match () {
        () if has(&[b"avif", b"avis"]) => AVIF,
        () if has(&[b"crx "]) => RAW,
        () if has(&[
            b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1",
        ]) =>
        {
            HEIC
        }
        () => VIDEO,
    })
}

/// Bytes of a text that are searched: comments and declarations may precede the element.
const TEXT: usize = 4096;

fn of_text(bytes: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT)]).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with('<') {
        return None;
    }
    if text.contains("<svg") && !text.contains("<html") {
        Some(SVG)
    } else if text.contains("<html") || text.starts_with("<!doctype html") {
        Some(WEB_PAGE)
    } else {
        None
    }
}

fn at_a_place(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(128..132) == Some(b"DICM") {
        return Some(DICOM);
    }
    (bytes.get(344..348) == Some(b"n+1\0")).then_some(NIFTI)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_unsupported_formats_are_named() {
        let boxed = |brand: &str| [b"\0\0\0\x18ftyp", brand.as_bytes()].concat();
        for (bytes, word) in [
            (boxed("heic\0\0\0\0mif1heic"), "HEIC"),
            (boxed("mif1\0\0\0\0mif1heic"), "HEIC"),
            (boxed("avif\0\0\0\0mif1avif"), "AVIF"),
            (boxed("mif1\0\0\0\0avifmif1"), "AVIF"),
            (boxed("crx \0\0\0\x01crx isom"), "raw"),
            (boxed("isom\0\0\x02\0isommp41"), "video"),
            (b"\xff\x0a\xfa\x7f".to_vec(), "JPEG XL"),
            (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), "JPEG XL"),
            (b"\0\0\0\x0cjP  \r\n".to_vec(), "JPEG 2000"),
            (b"II*\0\x10\0\0\0CR\x02\0".to_vec(), "raw"),
            (b"FUJIFILMCCD-RAW 0201".to_vec(), "raw"),
            (b"%PDF-1.7".to_vec(), "PDF"),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<SVG/>".to_vec(), "SVG"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'>".to_vec(), "SVG"),
            (b"<!DOCTYPE html><html><svg/>".to_vec(), "web page"),
            (b"P6 2 2 255\n".to_vec(), "Netpbm"),
            (
                b"version https://git-lfs.github.com/spec/v1".to_vec(),
                "Git LFS",
            ),
            ([&[0; 128][..], b"DICM"].concat(), "DICOM"),
        ] {
            let said = recognise(&bytes).unwrap_or("nothing");
            assert!(said.contains(word), "{word}: {said}");
        }
    }

    #[test]
    fn other_bytes_are_not_named() {
        for bytes in [&b""[..], b"P", b"<note/>", b"\0\0", b"ftyp", b"Dear reader"] {
            assert_eq!(recognise(bytes), None, "{bytes:?}");
        }
    }
}
