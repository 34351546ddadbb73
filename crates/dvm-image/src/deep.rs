//! Which files may have more than 8 bits per value.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of the file that are needed.
const START: usize = 26;

/// Whether the file may have more than 8 bits per value: a 16-bit PNG, or any TIFF.
pub fn may_be_deep(path: &Path) -> bool {
    let mut start = [0; START];
    // Opening a named pipe could block forever.
    let is_file = std::fs::metadata(path).is_ok_and(|kind| kind.is_file());
    let read = |start: &mut [u8]| File::open(path)?.read_exact(start);
    is_file && read(&mut start).is_ok() && is_deep(&start)
}

fn is_deep(start: &[u8; START]) -> bool {
    // The first chunk of a PNG is the header; the bit depth follows width and height.
    if start.starts_with(b"\x89PNG") {
        return start[24] == 16;
    }
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]
        .iter()
        .any(|magic| start.starts_with(*magic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pngs_of_16_bits_and_tiffs_may_be_deep() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/decode");
        for name in ["grey16.png", "rgb16.png", "grey16.tiff", "rgb-raw.tiff"] {
            assert!(may_be_deep(&folder.join(name)), "{name}");
        }
        for name in ["grey.png", "bits.png", "rgb.jpg", "missing.png"] {
            assert!(!may_be_deep(&folder.join(name)), "{name}");
        }
    }
}
