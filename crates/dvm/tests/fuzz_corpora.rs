//! The corpora of the fuzz targets go through the readers, as they are, cut short and with bytes changed, so
//! that a reader that panics is found without a fuzzer. `fuzz/README.md` tells what else is done with them.

#[path = "../../../fuzz/src/lib.rs"]
mod readers;

use std::fs;
use std::path::{Path, PathBuf};

/// Changed copies of each seed: as many as the variable `DVM_FUZZ_COPIES` says, for a night of it.
fn copies() -> u64 {
    let said = std::env::var("DVM_FUZZ_COPIES").ok();
    said.map_or(24, |said| said.parse().expect("a number of copies"))
}

/// The files of one target: its seeds, and what once made it fail.
fn files(target: &str) -> Vec<PathBuf> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut found = Vec::new();
    for folder in ["corpus", "regressions"] {
        let Ok(entries) = fs::read_dir(fuzz.join(folder).join(target)) else {
            continue;
        };
        found.extend(entries.map(|entry| entry.unwrap().path()));
    }
    found.sort();
    assert!(found.len() > 2, "{target} has hardly any seeds");
    found
}

/// Numbers that follow from `state`: xorshift.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 16) as usize
}

/// `bytes` with a few changes: bytes replaced by others or by extremes, a piece doubled or taken out, the
/// end cut off.
fn changed(bytes: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=next(state) % 4 {
        if bytes.is_empty() {
            break;
        }
        let at = next(state) % bytes.len();
        let end = at + next(state) % 16.min(bytes.len() - at);
        match next(state) % 6 {
            0 => bytes[at] = next(state) as u8,
            1 => bytes[at] ^= 1 << (next(state) % 8),
            2 => bytes[at..end].fill([0, 0xFF, 0x7F, 0x80][next(state) % 4]),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn read_all(target: &str, read: impl Fn(&[u8]) -> bool) {
    let mut accepted = 0;
    let files = files(target);
    for path in &files {
        let bytes = fs::read(path).unwrap();
        accepted += usize::from(read(&bytes));
        let mut state = 0x9E37_79B9_7F4A_7C15 ^ bytes.len() as u64;
        for _ in 0..copies() {
            read(&changed(&bytes, &mut state));
        }
    }
    // A reader that takes none of them looks at none of them.
    assert!(
        2 * accepted > files.len(),
        "{target}: {accepted} of {} seeds are read",
        files.len()
    );
}

#[test]
fn no_onnx_file_makes_its_reader_fail() {
    read_all("onnx", readers::onnx);
}

#[test]
fn no_safetensors_file_makes_its_reader_fail() {
    read_all("safetensors", readers::safetensors);
}

#[test]
fn no_checkpoint_makes_its_reader_fail() {
    read_all("pth", readers::pth);
}

#[test]
fn no_pickle_makes_its_reader_fail() {
    read_all("pickle", readers::pickle);
}

#[test]
fn no_picture_makes_its_reader_fail() {
    read_all("picture", readers::picture);
}

#[test]
fn no_array_makes_its_reader_fail() {
    read_all("npy", readers::npy);
}

#[test]
fn no_volume_makes_its_reader_fail() {
    read_all("nifti", readers::nifti);
}

#[test]
fn no_dicom_file_makes_its_reader_fail() {
    read_all("dicom", readers::dicom);
}

#[test]
fn no_boxes_and_masks_make_their_readers_fail() {
    read_all("regions", readers::regions);
}
