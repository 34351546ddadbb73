//! Files of weights in every format, made by `references/weights.py`, and files without weights.

mod archives;
mod formats;
mod hostile;
mod matching;

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use dvm_engine::weights::{Array, Weights, WeightsError};

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

/// Reads `bytes` from a file with this name in a temporary folder.
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

/// The names and shapes of a network with the parameters of [`tiny`], in its order.
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
