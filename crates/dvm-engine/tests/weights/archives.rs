//! Zip archives in every form that `torch.save` and `zip` write.

use dvm_engine::weights::Weights;

use super::{all, array, named, ramp, read, read_bytes, tiny};

/// How an archive is written.
#[derive(Clone, Copy, Default)]
struct Form {
    /// Sizes follow the content, as in all archives by PyTorch.
    descriptors: bool,
    /// The content of each entry begins at a multiple of 64 bytes.
    aligned: bool,
    /// The end records of archives beyond 4 GiB precede the usual one.
    zip64_end: bool,
    /// Sizes and offsets of entries are in a zip64 field.
    zip64_entries: bool,
    /// Checksums were not computed.
    no_checksums: bool,
}

/// The form that PyTorch 2 writes.
const PYTORCH: Form = Form {
    descriptors: true,
    aligned: true,
    zip64_end: true,
    zip64_entries: false,
    no_checksums: false,
};

/// The CRC-32 of zip archives.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut sum, &byte| {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
        }
        sum
    })
}

fn archive(entries: &[(String, Vec<u8>)], form: Form) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in entries {
        let (start, size) = (bytes.len(), content.len() as u32);
        let sum = if form.no_checksums {
            0
        } else {
            checksum(content)
        };
        let flags = if form.descriptors { 0x0808u16 } else { 0x0800 };
        let known = |value: u32| if form.descriptors { 0 } else { value };
        let header = 30 + name.len();
        // PyTorch pads with a field of the type `FB`.
        let padding = match form.aligned {
            true => (4..)
                .find(|extra| (start + header + extra) % 64 == 0)
                .unwrap(),
            false => 0,
        };
        bytes.extend(b"PK\x03\x04\x2d\0");
        bytes.extend(flags.to_le_bytes());
        bytes.extend([0; 6]);
        for value in [known(sum), known(size), known(size)] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend((padding as u16).to_le_bytes());
        bytes.extend(name.as_bytes());
        if padding > 0 {
            bytes.extend(b"FB");
            bytes.extend((padding as u16 - 4).to_le_bytes());
            bytes.resize(bytes.len() + padding - 4, b'Z');
        }
        bytes.extend(content);
        if form.descriptors {
            bytes.extend(b"PK\x07\x08");
            for value in [sum, size, size] {
                bytes.extend(value.to_le_bytes());
            }
        }
        let wide = form.zip64_entries;
        directory.extend(b"PK\x01\x02\0\0\x2d\0");
        directory.extend(flags.to_le_bytes());
        directory.extend([0; 6]);
        directory.extend(sum.to_le_bytes());
        let narrow = |value: u32| if wide { u32::MAX } else { value };
        directory.extend(narrow(size).to_le_bytes());
        directory.extend(narrow(size).to_le_bytes());
        directory.extend((name.len() as u16).to_le_bytes());
        directory.extend(if wide { 28u16 } else { 0 }.to_le_bytes());
        directory.extend([0; 10]);
        directory.extend(narrow(start as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        if wide {
            directory.extend([1, 0, 24, 0]);
            for value in [u64::from(size), u64::from(size), start as u64] {
                directory.extend(value.to_le_bytes());
            }
        }
    }
    let (start, size, count) = (bytes.len(), directory.len(), entries.len());
    bytes.extend(directory);
    if form.zip64_end {
        let end = bytes.len() as u64;
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44u64.to_le_bytes());
        bytes.extend([0x1e, 3, 0x2d, 0]);
        bytes.extend([0; 8]);
        for value in [count as u64, count as u64, size as u64, start as u64] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(end.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
    }
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count as u16, count as u16].map(u16::to_le_bytes).concat());
    bytes.extend([size as u32, start as u32].map(u32::to_le_bytes).concat());
    bytes.extend([0, 0]);
    bytes
}

/// `{'w': [[1, 2], [3, 4]]}` in a folder of this name.
fn entries(folder: &str) -> Vec<(String, Vec<u8>)> {
    let pickle = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\n\
        FloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\0K\x02K\x02\x86K\x02K\x01\x86\x89ccollections\n\
        OrderedDict\n)RtRs.";
    let values: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    [
        ("data.pkl", pickle.to_vec()),
        (".format_version", b"1".to_vec()),
        (".storage_alignment", b"64".to_vec()),
        ("byteorder", b"little".to_vec()),
        ("data/0", values),
        ("version", b"3\n".to_vec()),
        (".data/serialization_id", b"0123456789".repeat(4)),
    ]
    .map(|(name, content)| (format!("{folder}/{name}"), content))
    .into()
}

fn check(bytes: &[u8], what: &str) {
    let weights = read_bytes("w.pth", bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let expected = array(&[2, 2], [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(weights.get("w"), Some(&expected), "{what}");
}

#[test]
fn names_of_every_length_are_read() {
    for length in 1..=200 {
        let folder = "n".repeat(length);
        check(&archive(&entries(&folder), PYTORCH), &folder);
    }
}

#[test]
fn archives_are_read_in_every_form() {
    for bits in 0..32u8 {
        let is = |bit: u8| bits & (1 << bit) != 0;
        let form = Form {
            descriptors: is(0),
            aligned: is(1),
            zip64_end: is(2),
            zip64_entries: is(3),
            no_checksums: is(4),
        };
        check(
            &archive(&entries("archive"), form),
            &format!("form {bits:05b}"),
        );
    }
}

#[test]
fn values_of_a_big_endian_machine_are_read() {
    let mut entries = entries("archive");
    for (name, content) in &mut entries {
        match name.rsplit('/').next() {
            Some("byteorder") => *content = b"big".to_vec(),
            Some("0") => content.chunks_exact_mut(4).for_each(<[u8]>::reverse),
            _ => {}
        }
    }
    check(&archive(&entries, PYTORCH), "big");
}

#[test]
fn a_wrong_checksum_is_an_error() {
    let bytes = archive(&entries("archive"), PYTORCH);
    let at = bytes
        .windows(8)
        .position(|w| w == [0, 0, 128, 63, 0, 0, 0, 64]);
    let mut bytes = bytes.clone();
    bytes[at.unwrap() + 4] ^= 1;
    let error = read_bytes("w.pth", &bytes).unwrap_err().to_string();
    assert!(
        error.contains("tensor 'w'") && error.contains("checksum"),
        "{error}"
    );
}

#[test]
fn a_file_by_pytorch_whose_name_has_21_letters_is_read() {
    assert_eq!(all(&read("best_model_checkpoint.pth")), tiny());
}

#[test]
fn other_content_of_a_checkpoint_is_ignored() {
    let weights: Weights = read("training_state.pth");
    let raw = ramp(&[2], 1.0, 1.0);
    let found: Vec<&str> = weights.names().collect();
    assert_eq!(
        found,
        [
            "ema.decay_of.conv.weight",
            "ema.module.conv.weight",
            "model.conv.weight"
        ]
    );
    assert_eq!(weights.get("model.conv.weight"), Some(&raw));
    let expected = named([("w", ramp(&[2], 5.0, 1.0))]);
    assert_eq!(weights.get("ema.module.conv.weight"), expected.get("w"));
    assert_eq!(weights.notes()["arch"], "tiny");
    assert_eq!(weights.notes()["args.model"], "tiny_net");
    assert_eq!(weights.notes()["epoch"], "3");
}
