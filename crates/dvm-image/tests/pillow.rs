//! Decoding, resizing and preprocessing, compared with Pillow and torchvision
//! (`references/pictures.py`).

use std::fs;
use std::path::PathBuf;

use dvm_image::{Interpolation, Limits, Picture, Preprocess, read, resize};
use serde::Deserialize;

#[derive(Deserialize)]
struct References {
    decode: Vec<Decoded>,
    truncated: Vec<Truncated>,
    resize: Vec<Resized>,
    preprocess: Vec<Preprocessed>,
}

#[derive(Deserialize)]
struct Decoded {
    file: String,
    height: usize,
    width: usize,
    tolerance: u8,
}

/// `intact` rows equal Pillow's, and rows from `grey` on are grey; or the mean difference is at
/// most `mean`.
#[derive(Deserialize)]
struct Truncated {
    file: String,
    height: usize,
    width: usize,
    #[serde(default)]
    intact: usize,
    grey: Option<usize>,
    mean: Option<f64>,
}

#[derive(Deserialize)]
struct Resized {
    source: String,
    source_size: (usize, usize),
    size: (usize, usize),
    interpolation: Interpolation,
    file: String,
}

#[derive(Deserialize)]
struct Preprocessed {
    name: String,
    size: (usize, usize),
    preprocess: Preprocess,
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/references", name]
        .iter()
        .collect()
}

fn references() -> References {
    serde_json::from_slice(&fs::read(path("references.json")).unwrap()).unwrap()
}

fn picture(name: &str, (height, width): (usize, usize)) -> Picture {
    Picture::new(height, width, fs::read(path(name)).unwrap())
}

#[test]
fn decoded_values_equal_pillows_for_every_format_and_mode() {
    let mut wrong = Vec::new();
    for case in references().decode {
        let name = format!("decode/{}", case.file);
        let expected = picture(&format!("{name}.rgb"), (case.height, case.width));
        match read(&path(&name), &Limits::default()) {
            Ok(decoded) if (decoded.height(), decoded.width()) == (case.height, case.width) => {
                let pairs = decoded.rgb().iter().zip(expected.rgb());
                let worst = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                if worst > case.tolerance {
                    wrong.push(format!("{name} is off by {worst}"));
                }
            }
            Ok(decoded) => wrong.push(format!("{name} is {decoded:?}, not {expected:?}")),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_missing_rows_of_a_truncated_jpeg_are_grey() {
    const TOLERANCE: u8 = 4;
    for case in references().truncated {
        let name = format!("truncated/{}", case.file);
        let expected = picture(&format!("{name}.rgb"), (case.height, case.width));
        let decoded = read(&path(&name), &Limits::default()).unwrap();
        let difference = |(a, b): (&u8, &u8)| a.abs_diff(*b);
        let intact = case.intact * case.width * 3;
        let above = decoded.rgb()[..intact].iter().zip(expected.rgb());
        let worst = above.map(difference).max().unwrap_or(0);
        assert!(worst <= TOLERANCE, "{name} is off by {worst}");
        if let Some(grey) = case.grey {
            let below = &decoded.rgb()[grey * case.width * 3..];
            assert!(below.iter().all(|&value| value == 128), "{name}");
        }
        if let Some(limit) = case.mean {
            let pairs = decoded.rgb().iter().zip(expected.rgb());
            let sum: f64 = pairs.map(difference).map(f64::from).sum();
            let mean = sum / decoded.rgb().len() as f64;
            assert!(mean <= limit, "{name} is off by {mean} on average");
        }
    }
}

#[test]
fn resized_bytes_equal_pillows() {
    for case in references().resize {
        let source = picture(&format!("resize/{}", case.source), case.source_size);
        let resized = resize(&source, case.size.0, case.size.1, case.interpolation);
        let expected = picture(&format!("resize/{}", case.file), case.size);
        assert!(resized == expected, "{} differs", case.file);
    }
}

#[test]
fn crops_and_normalised_values_equal_torchvisions() {
    for case in references().preprocess {
        let name = format!("preprocess/{}", case.name);
        let original = picture(&format!("{name}.rgb"), case.size);
        let input = case.preprocess.apply(original).unwrap();
        let crop = picture(&format!("{name}.crop.rgb"), case.preprocess.crop);
        assert!(*input.crop() == crop, "the crop of {name} differs");
        let bytes = fs::read(path(&format!("{name}.values.f32"))).unwrap();
        let values: Vec<f32> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        assert_eq!(input.values(), values, "{name}");
    }
}
