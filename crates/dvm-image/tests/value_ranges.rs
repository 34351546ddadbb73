//! Pictures with 12 of 16 bits, signed numbers and floats, compared with NumPy
//! (`references/value_ranges.py`).

use std::path::{Path, PathBuf};

use dvm_image::{Limits, Range, Reading, read_as};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/value_ranges")
}

fn reading(range: &str) -> Reading {
    Reading {
        limits: Limits::default(),
        range: range.parse().unwrap(),
    }
}

#[test]
fn converted_values_equal_numpys() {
    let text = std::fs::read_to_string(folder().join("value_ranges.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 40, "the list is complete");
    for case in cases {
        let (name, range) = (
            case["file"].as_str().unwrap(),
            case["range"].as_str().unwrap(),
        );
        let picture = read_as(&folder().join(name), &reading(range));
        let picture = picture.unwrap_or_else(|error| panic!("{name}, {range}: {error}"));
        let expected: Vec<u8> = case["rgb"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_u64().unwrap() as u8)
            .collect();
        assert_eq!(picture.rgb(), expected, "{name}, {range}");
    }
}

#[test]
fn doubtful_ranges_give_a_note() {
    for (name, word) in [
        ("grey12.png", "0..4095"),
        ("grey12.tiff", "0..4095"),
        ("grey12-big.tiff", "0..4095"),
        ("rgb12-be.tiff", "0..4095"),
        ("white-is-zero.tiff", "nearly white"),
        ("i16.tiff", "no contrast"),
        ("u32.tiff", "nearly black"),
        ("f32.tiff", "clipped"),
    ] {
        let notes = |range| {
            read_as(&folder().join(name), &reading(range))
                .unwrap()
                .notes()
        };
        let doubtful = notes("file");
        assert_eq!(doubtful.len(), 1, "{name}: {doubtful:?}");
        assert!(doubtful[0].contains(word), "{name}: {doubtful:?}");
        assert!(notes("auto").is_empty(), "{name}");
        assert!(notes("percentile").is_empty(), "{name}");
    }
}

#[test]
fn the_default_range_is_not_written_to_json() {
    let mut preprocess = dvm_image::Preprocess::imagenet();
    let usual = serde_json::to_string(&preprocess).unwrap();
    assert!(!usual.contains("range"), "{usual}");
    preprocess.range = Range::Values {
        black: 0.0,
        white: 4095.0,
    };
    let text = serde_json::to_string(&preprocess).unwrap();
    assert!(text.contains(r#""range":"0..4095""#), "{text}");
    let read: dvm_image::Preprocess = serde_json::from_str(&text).unwrap();
    assert_eq!(read, preprocess);
}
