//! DICOM files with windows, colours and compressed pixels, NIfTI volumes and arrays, compared with pydicom,
//! nibabel and NumPy. Made by `references/dicom_pictures.py`.

use std::path::{Path, PathBuf};

use dvm_data::Error;
use dvm_data::formats::{Description, Wanted, each_frame, is_dicom, slice_count, study};
use dvm_image::{Picture, Range};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/dicom_pictures")
}

fn pictures(path: &Path, range: Range) -> Result<Vec<Picture>, Error> {
    let mut pictures = Vec::new();
    each_frame(path, &Wanted::All, |frame| {
        pictures.push(frame.picture(range).map_err(|reason| Error::Format {
            path: path.into(),
            reason,
        })?);
        Ok::<_, Error>(())
    })?;
    Ok(pictures)
}

fn bytes_of(hexadecimal: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(byte).collect()
}

#[test]
fn frames_equal_those_of_pydicom_nibabel_and_numpy() {
    let text = std::fs::read_to_string(folder().join("dicom_pictures.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 40, "the list is complete");
    for case in cases {
        let (name, range) = (
            case["file"].as_str().unwrap(),
            case["range"].as_str().unwrap(),
        );
        let path = folder().join(name);
        let found = pictures(&path, range.parse().unwrap());
        let found = found.unwrap_or_else(|error| panic!("{range}: {error}"));
        let frames = case["frames"].as_array().unwrap();
        assert_eq!(found.len(), frames.len(), "{name}");
        assert_eq!(slice_count(&path).unwrap(), frames.len(), "{name}");
        let step = if case["channels"] == 1 { 3 } else { 1 };
        let tolerance = case["tolerance"].as_u64().unwrap_or(0);
        for (index, (picture, frame)) in found.iter().zip(frames).enumerate() {
            let found: Vec<u8> = picture.rgb().iter().step_by(step).copied().collect();
            let expected = bytes_of(frame.as_str().unwrap());
            assert_eq!(found.len(), expected.len(), "{name}");
            let furthest = found
                .iter()
                .zip(&expected)
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            assert!(
                u64::from(furthest.unwrap()) <= tolerance,
                "{name}, {range}, frame {index}: off by {furthest:?}"
            );
        }
    }
}

#[test]
fn a_secondary_capture_is_read_back_and_belongs_to_the_study() {
    let source = study(&folder().join("ct.dcm")).unwrap();
    let rgb: Vec<u8> = (0..5 * 7 * 3).map(|value| value as u8).collect();
    let picture = Picture::new(5, 7, rgb);
    let of = Description {
        series: "resnet18: Größe",
        derivation: "occlusion",
        number: 3,
    };
    let capture = source.secondary_capture(&picture, &of);
    assert_eq!(
        capture,
        source.secondary_capture(&picture, &of),
        "it is deterministic"
    );
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("capture");
    std::fs::write(&path, &capture).unwrap();
    assert!(is_dicom(&path));
    let path = out.path().join("capture.dcm");
    std::fs::write(&path, &capture).unwrap();
    let read = pictures(&path, Range::File).unwrap();
    assert_eq!(read[0].rgb(), picture.rgb());
    // Another picture of the source has the same series, but another instance.
    let find = |bytes: &[u8], text: &str| {
        let found = bytes
            .windows(text.len())
            .filter(|part| *part == text.as_bytes());
        found.count()
    };
    for text in [
        "Doe^Jane",
        "P-7",
        "1.2.3.10",
        "A17",
        "20200102",
        "1.2.3.6.1",
        "resnet18: Gr??e",
    ] {
        assert_eq!(find(&capture, text), 1, "{text}");
    }
}

#[test]
fn damaged_compressed_pixels_are_an_error_and_do_not_panic() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("damaged.dcm");
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for name in [
        "rle.dcm",
        "rle-frames.dcm",
        "jpeg.dcm",
        "jpeg-lossless.dcm",
        "jpeg-2000.dcm",
        "rgb-2000.dcm",
    ] {
        let whole = std::fs::read(folder().join(name)).unwrap();
        for round in 0..30 {
            let mut damaged = whole.clone();
            for _ in 0..=next(4) {
                let at = whole.len() / 4 + next(whole.len() * 3 / 4);
                damaged[at] = next(256) as u8;
            }
            if round % 3 == 0 {
                damaged.truncate(next(damaged.len()));
            }
            std::fs::write(&path, &damaged).unwrap();
            // The result is a picture or an error.
            let _ = pictures(&path, Range::Auto);
        }
    }
}
