//! Files written by NumPy, nibabel and pydicom, compared with what these read; and hostile files. Made by
//! `references/data_files.py`.

mod hostile;

use std::path::{Path, PathBuf};

use dvm_data::formats::{Wanted, read_array, read_slices, slice_count};
use dvm_testing::errors::says;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/formats")
}

fn cases(list: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join("data_files.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let cases = all[list].as_array().unwrap().clone();
    assert!(cases.len() > 10, "{list} is complete");
    cases
}

fn numbers<T>(list: &Value, number: impl Fn(&Value) -> T) -> Vec<T> {
    list.as_array().unwrap().iter().map(number).collect()
}

#[test]
fn arrays_equal_those_of_numpy() {
    for case in cases("arrays") {
        let name = case["file"].as_str().unwrap();
        let array = read_array(&folder().join(name)).unwrap_or_else(|error| panic!("{error}"));
        let shape = numbers(&case["shape"], |side| side.as_u64().unwrap() as usize);
        assert_eq!(array.shape(), shape, "{name}");
        if case["texts"].is_array() {
            let texts = numbers(&case["texts"], |text| text.as_str().unwrap().to_owned());
            assert_eq!(array.texts(), Some(&texts[..]), "{name}");
            assert_eq!(array.row(0), None, "{name}");
        } else {
            let rows = (0..array.rows()).flat_map(|row| array.row(row).unwrap());
            let values = numbers(&case["numbers"], |number| number.as_f64().unwrap());
            assert_eq!(rows.collect::<Vec<f64>>(), values, "{name}");
            assert_eq!(array.texts(), None, "{name}");
        }
    }
}

#[test]
fn slices_equal_those_of_nibabel_and_pydicom() {
    for case in cases("volumes") {
        let name = case["file"].as_str().unwrap();
        let path = folder().join(name);
        let side = |key: &str| case[key].as_u64().unwrap() as usize;
        let expected = numbers(&case["slices"], |slice| {
            numbers(slice, |value| value.as_u64().unwrap() as u8)
        });
        assert_eq!(slice_count(&path).unwrap(), expected.len(), "{name}");
        let slices = read_slices(&path, &Wanted::All).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(slices.len(), expected.len(), "{name}");
        for (index, (slice, grey)) in slices.iter().zip(&expected).enumerate() {
            assert_eq!(slice.index, index, "{name}");
            assert_eq!((slice.height, slice.width), (side("height"), side("width")));
            assert_eq!(&slice.grey, grey, "{name}, slice {index}");
        }
        let middle = read_slices(&path, &Wanted::Middle).unwrap();
        assert_eq!(middle, [slices[slices.len() / 2].clone()], "{name}");
    }
}

#[test]
fn unsupported_compression_and_colour_are_errors_with_advice() {
    let refusal = |path: &Path| read_slices(path, &Wanted::All).unwrap_err().to_string();
    // The transfer syntax of JPEG-LS, which is not supported, instead of that of JPEG 2000.
    let jpeg_2000 = folder().join("../dicom_pictures/jpeg-2000.dcm");
    let mut bytes = std::fs::read(jpeg_2000).unwrap();
    let uid = b"1.2.840.10008.1.2.4.90";
    let at = bytes
        .windows(uid.len())
        .position(|part| part == uid)
        .unwrap();
    bytes[at + uid.len() - 2] = b'8';
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("ls.dcm");
    std::fs::write(&path, bytes).unwrap();
    let compressed = refusal(&path);
    says(&compressed, "ls.dcm");
    says(&compressed, "transfer syntax JPEG-LS");
    says(&compressed, "gdcmconv --raw");
    says(&refusal(&folder().join("rgb.dcm")), "a coloured picture");
}
