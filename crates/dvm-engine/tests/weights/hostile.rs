//! Damaged files and attacks: refused with an error, in little time and memory.

use std::path::Path;

use dvm_engine::weights::{Weights, WeightsError};

use super::{array, ramp, read_bytes, reference, refused, safetensors, zip};

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
fn a_file_that_is_cut_at_any_position_is_an_error() {
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
        // More elements than the storage declares, than the file has, than fit in memory, than 64 bits can
        // count, and more dimensions than any network needs.
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
    assert!(
        error.to_string().contains("the limit for a file of"),
        "{error}"
    );

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
    // Each list holds the previous one twice: 2^40 lists if they were all written out.
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
    let tensor = tensor_pickle(1, &[1], &[1]);
    let start = b"\x80\x02}X\x01\0\0\0w".len();
    let sides = 2 * b"(\x8a\x08\x01\0\0\0\0\0\0\0t".len();
    let end = tensor.len() - sides - b"\x89ccollections\nOrderedDict\n)RtRs.".len();
    let dimensions = [
        &b"\x80\x02("[..],
        &b"K\x01".repeat(10_000),
        b"tq\x010",
        &tensor[start..end],
        b"h\x01h\x01\x89ccollections\nOrderedDict\n)RtRq\x020(",
        &b"h\x02".repeat(10_000),
        b"l.",
    ]
    .concat();
    // The value of the pickle, as a list in a dictionary.
    let in_a_dictionary = |pickle: &[u8]| {
        let value = &pickle[2..pickle.len() - 1];
        [&b"\x80\x02}X\x01\0\0\0w("[..], value, b"ls."].concat()
    };
    let duplicates = [b"\x80\x02]".to_vec(), vec![b'2'; 30_000], vec![b'.']].concat();
    for (pickle, what) in [
        (nested(20_000), "in place of a dictionary"),
        (nested(10_000_000), "steps"),
        (in_a_dictionary(&doubling), "repeats values"),
        (doubling, "in place of a dictionary"),
        (in_a_dictionary(&nested(5_000)), "nesting is deeper"),
        (classes, "a class name of 1048578 bytes"),
        (in_a_dictionary(&dimensions), "10000 dimensions"),
        (duplicates, "in place of a dictionary"),
    ] {
        for bytes in [checkpoint(&pickle, &[]), pickle] {
            let message = read_bytes("deep.pth", &bytes).unwrap_err().to_string();
            assert!(message.contains(what), "{message}");
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
