//! Empty, truncated and damaged files and wrong headers give a clear error quickly.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dvm_image::{DecodeError, Error, Limits, decode, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/decode")
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

/// All picture files, by name.
fn samples() -> Vec<(String, Vec<u8>)> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".rgb"))
        .collect();
    names.sort();
    let with_bytes = |name: String| (name.clone(), sample(&name));
    names.into_iter().map(with_bytes).collect()
}

fn refused(bytes: &[u8]) -> DecodeError {
    decode(bytes, &Limits::default()).unwrap_err()
}

/// The first position of a JPEG marker.
fn position(bytes: &[u8], marker: [u8; 2]) -> usize {
    let mut pairs = bytes.windows(2);
    pairs.position(|two| two == marker).unwrap()
}

/// `bytes` with `new` written over what is at `at`.
fn patched(mut bytes: Vec<u8>, at: usize, new: &[u8]) -> Vec<u8> {
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

#[test]
fn an_empty_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.png");
    fs::write(&path, b"").unwrap();
    let error = read(&path, &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("{} is empty", path.display()));
}

#[test]
fn the_error_for_a_text_file_quotes_it() {
    let message = refused(b"Dear reader, this is no picture.").to_string();
    assert_eq!(
        message,
        "is not in a supported picture format (PNG, JPEG, WebP, TIFF, BMP, GIF); it starts with \
         the text \"Dear reader, thi\""
    );
}

#[test]
fn the_error_for_an_unknown_binary_file_shows_its_first_bytes() {
    let message = refused(&[0, 1, 254, 255]).to_string();
    assert!(
        message.ends_with("it starts with the bytes 00 01 fe ff"),
        "{message}"
    );
}

#[test]
fn the_error_for_a_missing_file_or_a_folder_has_its_path() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing.jpg"), folder.path().to_owned()] {
        let error = read(&path, &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()));
    }
}

#[test]
fn a_file_larger_than_the_limit_is_an_error() {
    let limits = Limits {
        file_bytes: 100,
        ..Limits::default()
    };
    let error = read(&folder().join("rgb.png"), &limits).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 100, .. }),
        "{error:?}"
    );
}

#[test]
fn half_a_file_is_incomplete() {
    for (name, bytes) in samples() {
        let is_whole_enough = name.ends_with(".jpg") || name == "frames.gif";
        if !is_whole_enough {
            let error = refused(&bytes[..bytes.len() / 2]);
            assert!(
                matches!(error, DecodeError::EndsTooEarly { .. }),
                "{name}: {error:?}"
            );
        }
    }
}

#[test]
fn a_jpeg_truncated_before_its_scan_is_incomplete() {
    let bytes = sample("420.jpg");
    let scan = position(&bytes, [0xff, 0xda]);
    for length in 3..scan {
        let error = refused(&bytes[..length]);
        assert!(
            matches!(error, DecodeError::EndsTooEarly { .. }),
            "{length}: {error:?}"
        );
    }
}

#[test]
fn a_jpeg_truncated_within_or_between_scans_is_accepted() {
    for name in [
        "420.jpg",
        "restart.jpg",
        "420-progressive.jpg",
        "cmyk-adobe.jpg",
    ] {
        let bytes = sample(name);
        let scan = position(&bytes, [0xff, 0xda]);
        assert!(decode(&bytes, &Limits::default()).unwrap().is_whole());
        let with_more = [&bytes[..], b"what some cameras append"].concat();
        let with_more = decode(&with_more, &Limits::default()).unwrap();
        assert!(with_more.is_whole(), "{name} with more behind it");
        for length in scan + 40..bytes.len() {
            match decode(&bytes[..length], &Limits::default()) {
                Ok(picture) => assert!(!picture.is_whole(), "{name} cut at {length}"),
                Err(error) => panic!("{name} cut at {length} of {}: {error}", bytes.len()),
            }
        }
    }
}

#[test]
fn a_header_with_too_many_pixels_is_an_error_before_memory_is_allocated() {
    let side = 60_000;
    let png = patched(
        sample("rgb.png"),
        16,
        &[60_000u32.to_be_bytes(); 2].concat(),
    );
    // The checksum covers 17 bytes, starting with the chunk name.
    let png = patched(png.clone(), 29, &crc32(&png[12..29]).to_be_bytes());
    let size = [60_000u16.to_be_bytes(); 2].concat();
    let jpeg = sample("420.jpg");
    let frame = position(&jpeg, [0xff, 0xc0]);
    let jpeg = patched(jpeg, frame + 5, &size);
    let bmp = patched(
        sample("rgb.bmp"),
        18,
        &[60_000u32.to_le_bytes(); 2].concat(),
    );
    let gif = patched(sample("rgb.gif"), 6, &[60_000u16.to_le_bytes(); 2].concat());
    // Width, height and rows per strip of a TIFF, each 12 bytes: tag, type, count, value.
    let mut tiff = sample("rgb-raw.tiff");
    for tag in [256u16, 257, 278] {
        let is_entry = |four: &[u8]| four[..2] == tag.to_le_bytes() && four[2..] == [4, 0];
        let at = tiff.windows(4).position(is_entry).unwrap();
        tiff = patched(tiff, at + 8, &60_000u32.to_le_bytes());
    }
    for bytes in [png, jpeg, bmp, gif, tiff] {
        match refused(&bytes) {
            DecodeError::TooManyPixels { height, width, .. } => {
                assert_eq!((height, width), (side, side));
            }
            error => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_picture_that_needs_too_much_memory_is_an_error() {
    let limits = Limits {
        memory: 700,
        ..Limits::default()
    };
    for name in [
        "rgb.png",
        "rgb.bmp",
        "420.jpg",
        "rgb.webp",
        "rgb-raw.tiff",
        "rgb.gif",
    ] {
        let error = decode(&sample(name), &limits).unwrap_err();
        assert!(
            matches!(error, DecodeError::TooMuchMemory { .. }),
            "{name}: {error:?}"
        );
    }
}

#[test]
fn damaged_files_do_not_panic_and_are_fast() {
    let limits = Limits {
        pixels: 1_000_000,
        memory: 16 << 20,
        ..Limits::default()
    };
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for (name, bytes) in samples() {
        for round in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..=next(4) {
                // Every second round damages the header.
                let reach = if round % 2 == 0 {
                    bytes.len().min(200)
                } else {
                    bytes.len()
                };
                damaged[next(reach)] = next(256) as u8;
            }
            if round % 5 == 0 {
                damaged.truncate(next(damaged.len()));
            }
            let start = Instant::now();
            let decoded = decode(&damaged, &limits);
            let time = start.elapsed();
            assert!(
                time < Duration::from_secs(5),
                "{name}, round {round}: {time:?}"
            );
            if let Err(error) = decoded {
                let message = error.to_string();
                assert!(
                    !message.contains("the decoder failed"),
                    "{name}, round {round}: {message}"
                );
            }
        }
    }
}

/// The checksum of PNG chunks, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
