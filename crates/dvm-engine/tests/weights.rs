//! Files of weights in every format, made by `references/weights.py`, and files that are none.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use dvm_engine::weights::{Array, Mismatch, Stranger, Weights, WeightsError};

fn reference(name: &str) -> PathBuf {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/references/weights"
    ))
    .join(name)
}

fn read(name: &str) -> Weights {
    Weights::read(&reference(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(name: &str) -> WeightsError {
    Weights::read(&reference(name)).expect_err(name)
}

/// Reads `bytes` from a file of that name in a folder of its own.
fn read_bytes(name: &str, bytes: &[u8]) -> Result<Weights, WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Weights::read(&path)
}

fn ramp(shape: &[usize], start: f32, step: f32) -> Array {
    let count: usize = shape.iter().product();
    array(shape, (0..count).map(|i| start + step * i as f32))
}

fn array(shape: &[usize], values: impl IntoIterator<Item = f32>) -> Array {
    Array {
        shape: shape.to_vec(),
        values: values.into_iter().collect(),
    }
}

fn tiny() -> BTreeMap<String, Array> {
    named([
        ("conv.weight", ramp(&[2, 3, 2, 2], -1.0, 0.125)),
        ("bn.running_mean", ramp(&[2], 0.5, 1.0)),
        ("bn.num_batches_tracked", array(&[], [7.0])),
        ("fc.weight", ramp(&[3, 2], 2.0, -0.25)),
        ("fc.bias", ramp(&[3], -0.5, 0.5)),
    ])
}

fn named<const N: usize>(arrays: [(&str, Array); N]) -> BTreeMap<String, Array> {
    arrays.map(|(name, array)| (name.to_owned(), array)).into()
}

fn all(weights: &Weights) -> BTreeMap<String, Array> {
    weights
        .iter()
        .map(|(name, array)| (name.to_owned(), array.clone()))
        .collect()
}

/// What a network with the parameters of [`tiny`] wants, in its own order.
fn wanted() -> Vec<(String, Vec<usize>)> {
    [
        ("conv.weight", vec![2, 3, 2, 2]),
        ("bn.running_mean", vec![2]),
        ("fc.weight", vec![3, 2]),
        ("fc.bias", vec![3]),
    ]
    .map(|(name, shape)| (name.to_owned(), shape))
    .into()
}

fn matches_tiny(weights: Weights) {
    let mut expected = tiny();
    expected.remove("bn.num_batches_tracked");
    assert_eq!(weights.matched(&wanted()).unwrap(), expected);
}

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
fn wrappers_and_prefixes_are_stripped() {
    matches_tiny(read("zip.pth"));
    matches_tiny(read("state_dict.pth"));
    matches_tiny(read("model_and_optimiser.pth"));
    let mut wanted = wanted();
    wanted.push(("bn.running_var".into(), vec![2]));
    assert_eq!(read("data_parallel.pth").matched(&wanted).unwrap().len(), 5);
}

/// Bytes of a safetensors file with one zero-filled array per name.
fn safetensors(arrays: &[(&str, &[usize])]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in arrays {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        let entry = serde_json::json!({
            "dtype": "F32", "shape": shape, "data_offsets": [start, end],
        });
        header.insert((*name).to_owned(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.resize(bytes.len() + end, 0);
    bytes
}

fn mismatch(arrays: &[(&str, &[usize])]) -> Mismatch {
    Weights::from_safetensors(&safetensors(arrays), "w.safetensors")
        .unwrap()
        .matched(&wanted())
        .unwrap_err()
}

#[test]
fn counters_are_neither_missing_nor_unexpected() {
    let mut with_counter = wanted();
    with_counter.push(("bn.num_batches_tracked".into(), vec![]));
    let found = read("zip.pth").matched(&with_counter).unwrap();
    assert!(found.contains_key("bn.num_batches_tracked"));
    let without = read("tar.pth").matched(&with_counter).unwrap();
    assert_eq!(without.len(), 4);
}

#[test]
fn a_prefix_on_some_names_leaves_the_others() {
    let bytes = safetensors(&[
        ("backbone.conv.weight", &[2, 3, 2, 2]),
        ("backbone.bn.running_mean", &[2]),
        ("fc.weight", &[3, 2]),
        ("fc.bias", &[3]),
    ]);
    let weights = Weights::from_safetensors(&bytes, "w").unwrap();
    assert_eq!(weights.matched(&wanted()).unwrap().len(), 4);
}

#[test]
fn a_model_goes_before_its_moving_average() {
    let shape: &[usize] = &[1];
    let mut bytes = safetensors(&[("ema.a", shape), ("model.a", shape)]);
    let length = bytes.len();
    bytes[length - 4..].copy_from_slice(&1.0f32.to_le_bytes());
    let weights = Weights::from_safetensors(&bytes, "w").unwrap();
    let found = weights.matched(&[("a".into(), vec![1])]).unwrap();
    assert_eq!(found["a"].values, [1.0]);
}

#[test]
fn names_left_over_beside_a_prefix_are_unexpected() {
    let mismatch = mismatch(&[
        ("module.conv.weight", &[2, 3, 2, 2]),
        ("module.bn.running_mean", &[2]),
        ("module.fc.weight", &[3, 2]),
        ("module.fc.bias", &[3]),
        ("module.aux.weight", &[1]),
        ("fc.bias", &[3]),
    ]);
    assert_eq!(mismatch.unexpected, ["aux.weight", "fc.bias"]);
    assert!(mismatch.missing.is_empty() && mismatch.misshapen.is_empty());
}

#[test]
fn another_number_of_classes_is_called_by_its_name() {
    let mismatch = mismatch(&[
        ("conv.weight", &[2, 3, 2, 2]),
        ("bn.running_mean", &[2]),
        ("fc.weight", &[5, 2]),
        ("fc.bias", &[5]),
    ]);
    assert_eq!(mismatch.classes(), Some(5));
    assert_eq!(
        mismatch.to_string(),
        "w.safetensors: 2 of the network's 4 weights fit\n\
         2 of another shape: fc.weight is [5, 2], wanted [3, 2], fc.bias is [5], wanted [3]\n\
         only the last layer differs: the file was trained for 5 classes; build the network for \
         5 classes"
    );
}

#[test]
fn the_shortest_list_comes_first_and_long_ones_are_cut() {
    let names: Vec<String> = (10..22).map(|i| format!("extra.{i}")).collect();
    let mut arrays: Vec<(&str, &[usize])> = vec![("conv.weight", &[2, 3, 2, 2]), ("fc.bias", &[4])];
    arrays.extend(names.iter().map(|name| (&name[..], &[1][..])));
    let mismatch = mismatch(&arrays);
    assert_eq!(mismatch.classes(), None);
    assert_eq!(
        mismatch.to_string(),
        "w.safetensors: 1 of the network's 4 weights fit\n\
         1 of another shape: fc.bias is [4], wanted [3]\n\
         2 missing: bn.running_mean, fc.weight\n\
         12 unexpected: extra.10, extra.11, extra.12, extra.13, extra.14, extra.15, extra.16, \
         extra.17, extra.18, extra.19, … and 2 more"
    );
}

#[test]
fn another_architecture_is_shown_by_names_of_both() {
    let mismatch = mismatch(&[("stem.0.weight", &[1]), ("stem.0.bias", &[1])]);
    assert_eq!(
        mismatch.to_string(),
        "w.safetensors: weights of another architecture: none of the 4 names the network wants \
         is among the 2 in the file. The network wants conv.weight, bn.running_mean, fc.weight, \
         …; the file has stem.0.bias, stem.0.weight. Build the network these weights were \
         trained for"
    );
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
fn what_only_python_can_read_says_how_to_save_it_anew() {
    for (name, what) in [
        ("module_legacy.pth", "a whole module with its source text"),
        ("torchscript.pt", "a TorchScript program"),
    ] {
        let error = refused(name);
        assert!(matches!(error, WeightsError::Code { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains(what), "{message}");
        assert!(message.contains("state_dict()"), "{message}");
    }
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
fn a_pickle_that_runs_a_program_is_refused_and_not_run() {
    for name in ["attack_zip.pth", "attack_legacy.pth", "attack_pickle.pkl"] {
        let error = refused(name);
        let WeightsError::Attack { function, .. } = &error else {
            panic!("{name}: {error:?}");
        };
        assert_eq!(function, "posix.system");
    }
    assert!(!Path::new("created-by-a-pickle").exists());
}

#[test]
fn files_that_are_no_weights_are_called_by_their_name() {
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
fn an_archive_of_something_else_is_no_checkpoint() {
    for (entry, what) in [
        ("arr_0.npy", "a zip archive of NumPy arrays"),
        ("readme", "no data.pkl"),
    ] {
        let bytes = zip(&[(entry, b"content")], zip::CompressionMethod::Stored);
        let error = read_bytes("a.zip", &bytes).unwrap_err();
        assert!(matches!(
            error,
            WeightsError::NotWeights {
                stranger: Stranger::Known(..),
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

const CONTAINERS: [&str; 7] = [
    "zip.pth",
    "protocol_4.pth",
    "legacy.pth",
    "tar.pth",
    "views_legacy.pth",
    "module_zip.pth",
    "metadata.safetensors",
];

#[test]
fn a_file_cut_short_is_an_error_wherever_it_is_cut() {
    for name in CONTAINERS {
        let bytes = std::fs::read(reference(name)).unwrap();
        // A tar archive ends in blocks of zeros that nothing depends on.
        let needed = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        for length in (0..needed).step_by(7) {
            let error = read_bytes("part", &bytes[..length])
                .expect_err(&format!("{name} cut to {length} bytes"));
            assert!(error.to_string().contains("part: "), "{error}");
        }
    }
}

#[test]
fn a_file_with_flipped_bits_is_read_or_refused_but_never_crashes() {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for name in CONTAINERS {
        let bytes = std::fs::read(reference(name)).unwrap();
        for _ in 0..300 {
            let mut flipped = bytes.clone();
            for _ in 0..1 + next() % 4 {
                let position = next() % bytes.len();
                flipped[position] ^= 1 << (next() % 8);
            }
            if let Ok(weights) = read_bytes("flipped", &flipped) {
                for (name, array) in weights.iter() {
                    let count: usize = array.shape.iter().product();
                    assert_eq!(array.values.len(), count, "{name}");
                }
            }
        }
    }
}

/// A zip archive laid out as `torch.save` does, compressed or not.
fn zip(entries: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, content) in entries {
        archive.start_file(*name, options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn checkpoint(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    zip(
        &[("archive/data.pkl", pickle), ("archive/data/0", storage)],
        zip::CompressionMethod::Stored,
    )
}

/// A pickle of `{'w': tensor}` on storage '0' of `stored` floats.
fn tensor_pickle(stored: i64, shape: &[i64], stride: &[i64]) -> Vec<u8> {
    fn int(pickle: &mut Vec<u8>, value: i64) {
        pickle.extend(b"\x8a\x08");
        pickle.extend(value.to_le_bytes());
    }
    let mut pickle = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
    pickle.extend(b"X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu");
    int(&mut pickle, stored);
    pickle.extend(b"tQK\x00");
    for dimensions in [shape, stride] {
        pickle.push(b'(');
        dimensions.iter().for_each(|&value| int(&mut pickle, value));
        pickle.push(b't');
    }
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
    pickle
}

#[test]
fn the_hand_made_pickle_is_a_tensor() {
    let storage: Vec<u8> = [1.0f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes = checkpoint(&tensor_pickle(2, &[2, 2], &[0, 1]), &storage);
    let weights = read_bytes("w.pth", &bytes).unwrap();
    assert_eq!(
        weights.get("w"),
        Some(&array(&[2, 2], [1.0, 2.0, 1.0, 2.0]))
    );
}

#[test]
fn claims_beyond_the_file_are_refused() {
    let trillion = 1_000_000_000_000;
    for (stored, shape, stride) in [
        // More elements than the storage declares, more than the file holds, more than there is
        // memory, more than 64 bits count, and more dimensions than anyone needs.
        (1, vec![trillion], vec![1]),
        (trillion, vec![trillion], vec![1]),
        (1_000_000_000, vec![1_000_000_000], vec![1]),
        (1, vec![100_000_000_000], vec![0]),
        (1, vec![1_000_000_000], vec![0]),
        (1, vec![5_000, 5_000], vec![0, 0]),
        (1, vec![i64::MAX, i64::MAX], vec![0, 0]),
        (i64::MAX, vec![2], vec![i64::MAX]),
        (1, vec![-1], vec![1]),
        (1, vec![1; 1000], vec![1; 1000]),
    ] {
        let bytes = checkpoint(&tensor_pickle(stored, &shape, &stride), &[0; 4]);
        let error = read_bytes("claim.pth", &bytes).unwrap_err();
        assert!(
            matches!(
                error,
                WeightsError::Excessive { .. } | WeightsError::Damaged { .. }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn a_small_archive_of_much_data_is_refused() {
    let zeros = vec![0; 64 << 20];
    let pickle = tensor_pickle(16 << 20, &[16 << 20], &[1]);
    let entries: [(&str, &[u8]); 2] = [("a/data.pkl", &pickle), ("a/data/0", &zeros)];
    let bytes = zip(&entries, zip::CompressionMethod::Deflated);
    let error = read_bytes("bomb.pth", &bytes).unwrap_err();
    assert!(error.to_string().contains("would come to"), "{error}");

    let nones = vec![b'N'; 8 << 20];
    let bytes = zip(&[("a/data.pkl", &nones)], zip::CompressionMethod::Deflated);
    let error = read_bytes("nones.pth", &bytes).unwrap_err();
    assert!(error.to_string().contains("steps"), "{error}");
}

#[test]
fn a_compressed_archive_within_reason_is_read() {
    let storage = [0u8; 4096];
    let pickle = tensor_pickle(1024, &[32, 32], &[32, 1]);
    let entries: [(&str, &[u8]); 2] = [("a/data.pkl", &pickle), ("a/data/0", &storage)];
    let bytes = zip(&entries, zip::CompressionMethod::Deflated);
    let weights = read_bytes("small.pth", &bytes).unwrap();
    assert_eq!(weights.get("w"), Some(&ramp(&[32, 32], 0.0, 0.0)));
}

#[test]
fn pickles_out_of_proportion_are_refused() {
    let nested = |depth: usize| {
        let mut pickle = b"\x80\x02]".to_vec();
        pickle.resize(pickle.len() + depth, 0x85);
        pickle.push(b'.');
        pickle
    };
    // Each list holds the one before twice: 2^40 lists if they were all written out.
    let mut doubling = b"\x80\x02]q\0".to_vec();
    for slot in 1..=40u8 {
        doubling.extend([b']', b'h', slot - 1, b'a', b'h', slot - 1, b'a', b'q', slot]);
    }
    doubling.push(b'.');
    // A class with a name of a megabyte, fetched ten thousand times.
    let mut classes = b"\x80\x02(c".to_vec();
    classes.resize(classes.len() + (1 << 20), b'x');
    classes.extend(b"\ny\nq\0");
    for _ in 0..10_000 {
        classes.extend(b"h\0");
    }
    classes.extend(b"l.");
    // A tensor of ten thousand dimensions, in a list ten thousand times.
    let mut dimensions = b"\x80\x02(".to_vec();
    dimensions.extend(b"K\x01".repeat(10_000));
    dimensions.extend(b"tq\x01");
    dimensions.extend(tensor_pickle(1, &[1], &[1]));
    let end = dimensions.len() - b"(\x8a\x08\x01\0\0\0\0\0\0\0t".len() * 2;
    let end = end - b"\x89ccollections\nOrderedDict\n)RtRs.".len();
    dimensions.truncate(end);
    dimensions.extend(b"h\x01h\x01\x89ccollections\nOrderedDict\n)RtRq\x02(");
    dimensions.extend(b"h\x02".repeat(10_000));
    dimensions.extend(b"l.");
    let duplicates = [b"\x80\x02]".to_vec(), vec![b'2'; 30_000], vec![b'.']].concat();
    for pickle in [
        nested(20_000),
        nested(10_000_000),
        doubling,
        classes,
        dimensions,
        duplicates,
    ] {
        for bytes in [checkpoint(&pickle, &[]), pickle] {
            let error = read_bytes("deep.pth", &bytes).unwrap_err();
            assert!(error.to_string().contains("deep.pth: "), "{error}");
        }
    }
}

#[test]
fn a_sparse_tar_entry_is_refused() {
    let mut header = tar::Header::new_gnu();
    header.set_path("storages").unwrap();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    // A file of 8 GiB without a byte of data, but with the magic of the POSIX format.
    gnu.realsize.copy_from_slice(b"100000000000");
    gnu.sparse[0].offset.copy_from_slice(b"100000000000");
    gnu.sparse[0].numbytes.copy_from_slice(b"000000000000");
    header.as_mut_bytes()[257..263].copy_from_slice(b"ustar ");
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(512 * 3, 0);
    let error = read_bytes("sparse.pth", &bytes).unwrap_err();
    assert!(error.to_string().contains("sparse entry"), "{error}");
}

#[test]
fn safetensors_that_contradict_themselves_are_refused() {
    let file = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    };
    let whole = safetensors(&[("a", &[2])]);
    let mut longer = whole.clone();
    longer.push(0);
    let mut header_too_long = whole.clone();
    header_too_long[..8].copy_from_slice(&90_000_000u64.to_le_bytes());
    for bytes in [
        longer,
        header_too_long,
        whole[..whole.len() - 1].to_vec(),
        whole[..20].to_vec(),
        // Overlapping, beyond the end, of 10^12 elements, overflowing, not JSON.
        file(
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
            6,
        ),
        file(
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            4,
        ),
        file(
            r#"{"a":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4]}}"#,
            4,
        ),
        file(
            r#"{"a":{"dtype":"F32","shape":[9999999999,9999999999],"data_offsets":[0,4]}}"#,
            4,
        ),
        file("{not json", 4),
    ] {
        let error = Weights::from_safetensors(&bytes, "bad.safetensors").unwrap_err();
        assert!(matches!(error, WeightsError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().starts_with("bad.safetensors: damaged"));
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
