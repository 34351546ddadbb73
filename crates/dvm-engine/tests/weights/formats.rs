//! Files of every format give the values that were written.

use dvm_engine::weights::{ForeignFormat, Weights, WeightsError};

use super::*;

#[test]
fn a_state_dict_reads_the_same_from_every_container() {
    for name in ["zip.pth", "protocol_4.pth", "legacy.pth", "parameters.pth"] {
        assert_eq!(all(&read(name)), tiny(), "{name}");
    }
}

#[test]
fn a_tar_archive_from_before_0_1_10_is_read() {
    let mut expected = tiny();
    expected.remove("bn.num_batches_tracked");
    assert_eq!(all(&read("tar.pth")), expected);
}

#[test]
fn views_are_read_in_the_order_of_their_indices() {
    let base = |row: usize, column: usize| (6 * row + column) as f32;
    let pairs = |rows: usize, columns: usize| {
        (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
    };
    let permuted = pairs(4, 2).flat_map(|(k, i)| (0..3).map(move |j| (12 * i + 4 * j + k) as f32));
    let expected = named([
        (
            "transposed",
            array(&[6, 4], pairs(6, 4).map(|(i, j)| base(j, i))),
        ),
        (
            "sliced",
            array(&[2, 3], pairs(2, 3).map(|(i, j)| base(i + 1, j + 2))),
        ),
        ("stepped", ramp(&[3], 1.0, 3.0)),
        (
            "expanded",
            array(&[3, 4], pairs(3, 4).map(|(i, _)| i as f32 + 1.0)),
        ),
        ("channels_last", ramp(&[2, 3, 2, 2], 0.0, 1.0)),
        ("permuted", array(&[4, 2, 3], permuted)),
        ("empty", array(&[0, 3], [])),
        ("scalar", array(&[], [2.5])),
    ]);
    for name in ["views_zip.pth", "views_legacy.pth"] {
        assert_eq!(all(&read(name)), expected, "{name}");
    }
}

#[test]
fn every_element_type_becomes_f32() {
    let floats = ["float16", "bfloat16", "float32", "float64"];
    let integers = ["int8", "int16", "int32", "int64"];
    let naturals = ["uint8", "uint16", "uint32", "uint64"];
    let mut expected = named([("bool", array(&[3], [1.0, 0.0, 1.0]))]);
    for (names, values) in [
        (floats, ramp(&[3], -0.5, 0.75)),
        (integers, ramp(&[3], -1.0, 20.0)),
        (naturals, ramp(&[3], 1.0, 20.0)),
    ] {
        expected.extend(names.map(|name| (name.to_owned(), values.clone())));
    }
    for name in ["types.pth", "types.safetensors"] {
        assert_eq!(all(&read(name)), expected, "{name}");
    }
}

#[test]
fn safetensors_keep_their_metadata_and_hash() {
    let path = reference("metadata.safetensors");
    let weights = Weights::read(&path).unwrap();
    assert_eq!(all(&weights), tiny());
    assert_eq!(weights.metadata()["classes"], "cat,dog,newt");
    assert_eq!(weights.metadata()["epoch"], "3");
    assert_eq!(weights.sha256().len(), 64);

    let bytes = std::fs::read(&path).unwrap();
    let embedded = Weights::from_safetensors(&bytes, "embedded").unwrap();
    assert_eq!(embedded.sha256(), weights.sha256());
    assert_eq!(embedded.file(), "embedded");
    assert_eq!(all(&embedded), all(&weights));
}

#[test]
fn the_hash_is_sha256_of_the_whole_file() {
    // The expected digest is by Python's hashlib.
    let header = br#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    bytes.push(9);
    let weights = Weights::from_safetensors(&bytes, "a").unwrap();
    assert_eq!(weights.sha256(), HASH_OF_ONE_TENSOR);
    assert_eq!(weights.get("a"), Some(&array(&[1], [9.0])));
}

const HASH_OF_ONE_TENSOR: &str = "31639ed528e5e01ff0cb9b49febb66ca9db7b4b33cf2a2ce29015838f4b69112";

#[test]
fn a_module_pickled_whole_is_its_state_dict() {
    let mut expected = tiny();
    expected.insert("bn.running_var".into(), ramp(&[2], 1.0, 1.0));
    assert_eq!(all(&read("module_zip.pth")), expected);
}

#[test]
fn a_module_pickled_with_its_source_text_is_its_state_dict() {
    let expected = named([
        ("weight", ramp(&[3, 2], 2.0, -0.25)),
        ("bias", ramp(&[3], -0.5, 0.5)),
    ]);
    assert_eq!(all(&read("module_legacy.pth")), expected);
}

#[test]
fn elements_without_a_value_are_refused_by_tensor() {
    for (name, element) in [
        ("complex.pth", "torch.ComplexFloatStorage"),
        ("complex.safetensors", "C64"),
        ("quantised.pth", "torch.QInt8Storage"),
    ] {
        let message = refused(name).to_string();
        let expected = format!("tensor 'fc.weight' has elements of type {element}");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn objects_that_only_python_can_read_are_an_error_with_advice() {
    let error = refused("torchscript.pt");
    assert!(matches!(error, WeightsError::Code { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("a TorchScript program"), "{message}");
    assert!(message.contains("state_dict()"), "{message}");
    let error = refused("lone_tensor.pth");
    let WeightsError::NotADictionary { found, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(found, "torch.Tensor");
    assert!(matches!(
        refused("no_tensor.pth"),
        WeightsError::NoTensors { .. }
    ));
}

#[test]
fn files_without_weights_are_named() {
    for (bytes, what) in [
        (&b""[..], "the file is empty"),
        (b"<!doctype html><title>Sign in", "this is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "run `git lfs pull`",
        ),
        (
            b"layer,weight\n1,2\n",
            "a text file beginning with \"layer,weight\"",
        ),
        (b"\x1f\x8b\x08\0\0\0\0\0", "a gzip archive"),
        (
            b"\xca\xfe\xba\xbe\0\0",
            "begins with the bytes ca fe ba be 00 00",
        ),
    ] {
        let error = read_bytes("strange.pth", bytes).unwrap_err();
        let message = error.to_string();
        assert!(
            matches!(error, WeightsError::NotWeights { .. }),
            "{error:?}"
        );
        assert!(message.contains("strange.pth: "), "{message}");
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn another_archive_is_not_a_checkpoint() {
    for (entry, what) in [
        ("arr_0.npy", "a zip archive of NumPy arrays"),
        ("readme", "no data.pkl"),
    ] {
        let bytes = zip(&[(entry, b"content")], zip::CompressionMethod::Stored);
        let error = read_bytes("a.zip", &bytes).unwrap_err();
        assert!(matches!(
            error,
            WeightsError::NotWeights {
                format: ForeignFormat::Known(..),
                ..
            }
        ));
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_folder_or_a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Weights::read(folder.path()),
        Err(WeightsError::NotAFile { .. })
    ));
    let error = Weights::read(&folder.path().join("none.pth")).unwrap_err();
    assert!(error.to_string().contains("none.pth"), "{error}");
}

#[test]
fn an_index_gives_the_tensors_of_all_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("model-1-of-2.safetensors", &safetensors(&[("a", &[1])]));
    write("model-2-of-2.safetensors", &safetensors(&[("b", &[2])]));
    let index = |b: &str| {
        let text = format!(r#"{{"weight_map": {{"a": "model-1-of-2.safetensors", "b": "{b}"}}}}"#);
        write("model.safetensors.index.json", text.as_bytes());
        Weights::read(&folder.path().join("model.safetensors.index.json"))
    };
    let weights = index("model-2-of-2.safetensors").unwrap();
    assert_eq!(weights.names().collect::<Vec<_>>(), ["a", "b"]);
    for (file, what) in [
        ("../elsewhere.safetensors", "not a file in its folder"),
        ("model-1-of-2.safetensors", "no tensor `b`"),
        ("model-3-of-2.safetensors", "model-3-of-2.safetensors"),
    ] {
        let error = index(file).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn safetensors_may_hold_nan() {
    let mut bytes = safetensors(&[("a", &[1])]);
    let length = bytes.len();
    bytes[length - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let weights = Weights::from_safetensors(&bytes, "nan").unwrap();
    assert!(weights.get("a").unwrap().values[0].is_nan());
}
