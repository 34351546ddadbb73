//! Reads the corpora of the fuzz targets, unchanged and with changed bytes, to find readers that panic without
//! a fuzzer. See `fuzz/README.md`.

use std::fs;
use std::path::{Path, PathBuf};

use dvm_testing::readers;

/// Number of changed copies of each seed, from the variable `DVM_FUZZ_COPIES`.
fn copies() -> u64 {
    let said = std::env::var("DVM_FUZZ_COPIES").ok();
    said.map_or(24, |said| said.parse().expect("a number of copies"))
}

/// The seeds and regressions of one target.
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
    assert!(found.len() > 2, "{target} has too few seeds");
    found
}

/// Random numbers: xorshift.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 16) as usize
}

/// `bytes` with a few random changes: other bytes, a repeated or removed piece, truncation.
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
    // If a reader rejects most seeds, they test nothing.
    assert!(
        2 * accepted > files.len(),
        "{target}: {accepted} of {} seeds are read",
        files.len()
    );
}

macro_rules! readers {
    ($($reader:ident: $name:ident,)*) => {
        $(#[test] fn $name() { read_all(stringify!($reader), readers::$reader); })*
    };
}

readers! {
    onnx: onnx_files_do_not_make_the_reader_panic,
    safetensors: safetensors_do_not_make_the_reader_panic,
    pth: checkpoints_do_not_make_the_reader_panic,
    pickle: pickles_do_not_make_the_reader_panic,
    picture: pictures_do_not_make_the_reader_panic,
    npy: arrays_do_not_make_the_reader_panic,
    nifti: volumes_do_not_make_the_reader_panic,
    dicom: dicom_files_do_not_make_the_reader_panic,
    regions: boxes_and_masks_do_not_make_the_reader_panic,
}
