//! Memory use of files that inflate. This is a separate binary because the peak is measured per
//! process.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use dvm_image::{Limits, decode};

/// The peak memory of this process, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

/// A zlib stream of this many MiB of zeros: one literal, then copies of 258 bytes, with DEFLATE's
/// fixed codes.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let (mut bytes, mut word, mut bits) = (vec![0x78, 0x9c], 0u64, 0);
    let mut put = |value: u64, count: u32| {
        word |= value << bits;
        bits += count;
        while bits >= 8 {
            bytes.push(word as u8);
            word >>= 8;
            bits -= 8;
        }
    };
    put(1, 1);
    put(1, 2);
    // Huffman codes are written highest bit first: 0x30 is the literal 0, 0xc5 the length 258.
    put(u64::from(0x30u8.reverse_bits()), 8);
    for _ in 0..(mebibytes << 20) / 258 {
        put(u64::from(0xc5u8.reverse_bits()), 8);
        put(0, 5);
    }
    put(0, 7);
    put(0, 8);
    bytes.extend([0; 4]);
    bytes
}

fn chunk(name: &str, contents: &[u8]) -> Vec<u8> {
    let named = [name.as_bytes(), contents].concat();
    let crc = !named.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    });
    let length = (contents.len() as u32).to_be_bytes();
    [&length[..], &named, &crc.to_be_bytes()].concat()
}

#[test]
fn chunks_that_inflate_to_gigabytes_need_no_memory() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/decode");
    let png = fs::read(folder.join("rgb.png")).unwrap();
    let expected = decode(&png, &Limits::default()).unwrap();
    // After the header, which ends at byte 33.
    let (head, rest) = png.split_at(33);
    let bomb = zeros(512);
    let kinds: [(&str, &[u8]); 3] = [
        ("iCCP", b"profile\0\0"),
        ("zTXt", b"Comment\0\0"),
        ("iTXt", b"Comment\0\x01\0\0\0"),
    ];
    for (name, start) in kinds {
        let bomb = chunk(name, &[start, &bomb].concat());
        let file = [head, &bomb, rest].concat();
        let before = peak();
        let picture = decode(&file, &Limits::default()).unwrap();
        assert!(peak() < before + 32, "{name}: {} MiB", peak() - before);
        assert_eq!(picture, expected, "{name}");
    }
}

#[test]
fn a_small_file_with_a_huge_size_in_its_header_is_an_error_without_memory() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/decode");
    let mut jpeg = fs::read(folder.join("420.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    for (at, side) in [(frame + 5, 16_000u16), (frame + 7, 16_000)] {
        jpeg[at..at + 2].copy_from_slice(&side.to_be_bytes());
    }
    let before = peak();
    let error = decode(&jpeg, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("16000 × 16000"), "{error}");
    assert!(peak() < before + 32, "{} MiB", peak() - before);
}
