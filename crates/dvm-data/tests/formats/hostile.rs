//! Damaged and hostile files are errors, with little time and memory.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use dvm_data::Error;
use dvm_data::formats::{Array, FormatError, Wanted, read_array, read_slices};
use dvm_testing::errors::says;

use super::{cases, folder};

/// The error for a file of these bytes, which must be found quickly.
fn refused<T>(name: &str, bytes: &[u8], read: impl Fn(&Path) -> Result<T, Error>) -> FormatError {
    let folder = tempfile::tempdir().unwrap();
    refused_at(&folder.path().join(name), bytes, read)
}

fn refused_at<T>(
    path: &Path,
    bytes: &[u8],
    read: impl Fn(&Path) -> Result<T, Error>,
) -> FormatError {
    let name = path.file_name().unwrap().to_str().unwrap();
    fs::write(path, bytes).unwrap();
    let start = Instant::now();
    let error = read(path)
        .err()
        .unwrap_or_else(|| panic!("{name} was read"));
    assert!(start.elapsed() < Duration::from_secs(10), "{error}");
    says(&error, name);
    match error {
        Error::Format { reason, .. } => reason,
        other => panic!("{name}: {other:?}"),
    }
}

fn array_refused(bytes: &[u8]) -> FormatError {
    refused("array.pkl", bytes, read_array)
}

fn slices_refused(name: &str, bytes: &[u8]) -> FormatError {
    refused(name, bytes, |path| read_slices(path, &Wanted::All))
}

#[test]
fn a_file_truncated_anywhere_is_an_error() {
    let parts = tempfile::tempdir().unwrap();
    for case in cases("arrays") {
        let name = case["file"].as_str().unwrap();
        let path = parts.path().join(name);
        let bytes = fs::read(folder().join(name)).unwrap();
        for length in (0..bytes.len()).step_by(29).chain([bytes.len() - 1]) {
            refused_at(&path, &bytes[..length], read_array);
        }
    }
    for case in cases("volumes") {
        let name = case["file"].as_str().unwrap();
        let path = parts.path().join(name);
        let bytes = fs::read(folder().join(name)).unwrap();
        // pydicom pads the pixels to an even number of bytes; gzip ends in a checksum.
        for length in (0..bytes.len() - 9).step_by(31) {
            refused_at(&path, &bytes[..length], |path| {
                read_slices(path, &Wanted::All)
            });
        }
    }
}

#[test]
fn a_file_with_flipped_bits_never_panics() {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let folder_of_flipped = tempfile::tempdir().unwrap();
    for (list, rounds) in [("arrays", 10), ("volumes", 40)] {
        for case in cases(list) {
            let name = case["file"].as_str().unwrap();
            let bytes = fs::read(folder().join(name)).unwrap();
            let path = folder_of_flipped.path().join(name);
            for _ in 0..rounds {
                let mut flipped = bytes.clone();
                for _ in 0..1 + next() % 4 {
                    let position = next() % bytes.len();
                    flipped[position] ^= 1 << (next() % 8);
                }
                fs::write(&path, &flipped).unwrap();
                if list == "arrays" {
                    if let Ok(array) = read_array(&path) {
                        whole(&array);
                    }
                } else if let Ok(slices) = read_slices(&path, &Wanted::All) {
                    let fits = |slice: &dvm_data::formats::Slice| {
                        slice.grey.len() == slice.height * slice.width
                    };
                    assert!(slices.iter().all(fits), "{name}");
                }
            }
        }
    }
}

fn whole(array: &Array) {
    if array.row_length() > 0 && array.texts().is_none() {
        for row in 0..array.rows() {
            assert_eq!(array.row(row).unwrap().len(), array.row_length());
        }
    }
}

#[test]
fn a_pickle_that_runs_a_program_is_an_error_and_not_run() {
    let program = b"cposix\nsystem\n(S'touch created-by-an-array'\ntR.";
    let error = array_refused(program);
    let name = "posix.system".to_owned();
    assert_eq!(error, FormatError::Code { name });
    assert!(!Path::new("created-by-an-array").exists());
    // Known names are not called either.
    for pickle in [
        &b"c_codecs\nencode\n(c_codecs\nencode\nS'x'\ntR."[..],
        b"cnumpy\ndtype\n(S'f4'\ntR.",
        b"c__builtin__\nbytes\n(I99999999999\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(I1\ntR.",
        b"cnumpy\nndarray\n(I99999999999\ntR.",
    ] {
        array_refused(pickle);
    }
}

/// A pickle of an array of this shape with these bytes.
fn array_pickle(shape: &[u64], element: &str, bytes: &[u8]) -> Vec<u8> {
    let mut pickle = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n".to_vec();
    pickle.extend(b"K\0\x85U\x01b\x87R(K\x01(");
    for side in shape {
        pickle.extend(b"\x8a\x08");
        pickle.extend(side.to_le_bytes());
    }
    pickle.extend(b"tcnumpy\ndtype\n");
    pickle.extend([b'U', element.len() as u8]);
    pickle.extend(element.as_bytes());
    pickle.extend(b"\x85R\x89T");
    pickle.extend((bytes.len() as u32).to_le_bytes());
    pickle.extend(bytes);
    pickle.extend(b"tb.");
    pickle
}

#[test]
fn the_hand_made_pickle_is_read_as_an_array() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pkl");
    fs::write(&path, array_pickle(&[2, 1], "f4", &[0; 8])).unwrap();
    assert_eq!(read_array(&path).unwrap().row(1), Some(vec![0.0]));
}

#[test]
fn declared_sizes_beyond_the_file_are_errors() {
    let most = i64::MAX as u64;
    for (shape, element) in [
        (&[1_000_000_000_000][..], "f4"),
        (&[most, most], "f4"),
        (&[most, 2], "f8"),
        (&[3], "f4"),
        (&[1], "f4"),
        (&[u64::MAX], "u1"),
        (&[1; 100], "f8"),
        (&[most], "S0"),
        (&[0], "V8"),
        (&[1], "S99999999999999999999"),
        (&[1], "c8"),
        (&[8], "O"),
    ] {
        array_refused(&array_pickle(shape, element, &[0; 8]));
    }
    let header = |element: &str, shape: &str| {
        format!("{{'descr': '{element}', 'fortran_order': False, 'shape': {shape}, }}")
    };
    for (header, data) in [
        (header("<f4", "(1000000000000,)"), 8),
        (header("<f4", "(9999999999, 9999999999)"), 8),
        (header("|O", "(1,)"), 8),
        (header("<f4", "(3,)"), 8),
        ("(".repeat(44), 0),
    ] {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        array_refused(&bytes);
    }
    array_refused(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{");
}

#[test]
fn pickles_that_expand_too_much_are_errors() {
    let mut deep = b"]".to_vec();
    deep.extend(b"\x85".repeat(1_000_000));
    deep.push(b'.');
    // Each list contains the one before ten times: 10^7 numbers, and 10^40.
    let repeated = |times: usize| {
        let mut pickle = b"]K\x01aq\0".to_vec();
        for _ in 0..times {
            pickle.extend(b"](h\0h\0h\0h\0h\0h\0h\0h\0h\0h\0eq\x000h\0");
        }
        pickle.push(b'.');
        pickle
    };
    // A megabyte of text, in a list a hundred thousand times; and as the bytes of as many arrays.
    let mut text = b"(T\0\0\x10\0".to_vec();
    text.extend(b"x".repeat(1 << 20));
    text.extend(b"q\0");
    text.extend(b"h\0".repeat(100_000));
    text.extend(b"l.");
    let array = array_pickle(&[1 << 20], "u1", &vec![7; 1 << 20]);
    let mut arrays = b"(".to_vec();
    arrays.extend(&array[2..array.len() - 1]);
    arrays.extend(b"q\0");
    arrays.extend(b"h\0".repeat(100_000));
    arrays.extend(b"l.");
    for pickle in [
        deep,
        repeated(7),
        repeated(40),
        b"]q\0h\0a.".to_vec(),
        b"(lp0\ng0\na.".to_vec(),
        b"N".repeat(8_000_000),
        b"(".repeat(8_000_000),
        text,
        arrays,
    ] {
        array_refused(&pickle);
    }
}

/// The first position of these bytes in a file.
fn position(file: &[u8], bytes: &[u8]) -> usize {
    let mut parts = file.windows(bytes.len());
    parts.position(|part| part == bytes).unwrap()
}

/// A file with other bytes at this position.
fn with(file: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

fn reference(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

#[test]
fn volumes_with_wrong_sizes_are_errors() {
    let plain = reference("ras.nii");
    let set = |at: usize, value: &[u8]| with(&plain, at, value);
    for bytes in [
        // Sides: too large, 0, too many axes; a type that is not a number; an offset beyond the end, or invalid.
        set(42, &[0xff; 6]),
        set(42, &[0; 2]),
        set(40, &[8, 0]),
        set(40, &[0, 0]),
        set(70, &[128, 0]),
        set(70, &[32, 0]),
        set(70, &[99, 0]),
        set(108, &1e9f32.to_le_bytes()),
        set(108, &(-1f32).to_le_bytes()),
        set(108, &f32::NAN.to_le_bytes()),
        set(112, &[1f32.to_le_bytes(), f32::NAN.to_le_bytes()].concat()),
        set(344, b"none"),
        set(344, b"ni1\0"),
        set(0, &540i32.to_le_bytes()),
    ] {
        slices_refused("a.nii", &bytes);
    }
    slices_refused("a.nii", &[]);
    slices_refused("a.nii.gz", b"\x1f\x8b\x08\0nothing");
}

#[test]
fn a_small_archive_of_a_large_volume_is_an_error() {
    use std::io::Write;
    let mut volume = reference("ras.nii");
    // 60,000 × 60,000 bytes.
    volume[42..48].copy_from_slice(&[0x60, 0xea, 0x60, 0xea, 1, 0]);
    volume[70..72].copy_from_slice(&[2, 0]);
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zip.write_all(&volume[..352]).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        zip.write_all(&zeros).unwrap();
    }
    let error = slices_refused("bomb.nii.gz", &zip.finish().unwrap());
    says(&error, "3600000000 bytes");
}

#[test]
fn the_error_for_a_nan_names_the_slice() {
    let mut bytes = reference("ras.nii");
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = slices_refused("a.nii", &bytes);
    // The last voxel is the top left one of the last slice.
    let message = "slice 2 contains NaN at row 0, column 0";
    says(&error, message);
}

#[test]
fn dicom_sequences_may_be_nested_to_any_depth() {
    let plain = reference("u8.dcm");
    let rows = position(&plain, b"\x28\0\x02\0US\x02\0");
    let nest = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff";
    let mut deep = plain[..rows].to_vec();
    deep.extend(nest.repeat(200_000));
    deep.extend(&plain[rows..]);
    slices_refused("deep.dcm", &deep);
}

#[test]
fn dicom_lengths_beyond_the_file_are_errors() {
    let plain = reference("u8.dcm");
    let pixels = position(&plain, b"\xe0\x7f\x10\0OB\0\0");
    let rows = plain
        .windows(8)
        .rposition(|bytes| bytes == b"\x28\0\x10\0US\x02\0")
        .unwrap();
    let set = |at: usize, value: &[u8]| with(&plain, at, value);
    for bytes in [
        set(pixels + 8, &[0xfe, 0xff, 0xff, 0xff]),
        set(pixels + 8, &[0xff, 0xff, 0xff, 0xff]),
        set(rows + 6, &[0xff, 0xff]),
        set(rows + 8, &[0xff, 0xff]),
        set(rows + 8, &[0, 0]),
        // The file meta information: its length, and a text in it.
        set(140, &[0xff, 0xff, 0xff, 0x7f]),
        set(128, b"DICX"),
        plain[..pixels].to_vec(),
    ] {
        slices_refused("a.dcm", &bytes);
    }
}

#[test]
fn a_dicom_file_with_an_impossible_high_bit_is_an_error() {
    let mut bytes = reference("u8.dcm");
    let high = position(&bytes, b"\x28\0\x02\x01US\x02\0");
    bytes[high + 8..high + 10].copy_from_slice(&u16::MAX.to_le_bytes());
    says(&slices_refused("a.dcm", &bytes), "up to bit 65535");
}
