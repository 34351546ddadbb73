//! The readers of files from strangers, one function per format: each reads bytes as `dvm` would read a
//! file, and what comes of it does not matter, as long as something does.
//!
//! The fuzz targets call these, and so does a test of the main workspace (`crates/dvm/tests/hostile.rs`),
//! which includes this file.

use std::io::Write;
use std::path::Path;

use dvm_data::formats::{Wanted, read_array, read_slices, slice_count};
use dvm_engine::weights::Weights;
use dvm_engine::{Network, Tensor};
use dvm_image::{Limits, decode};

/// An exported classifier; if it becomes a small network, it sees a picture.
pub fn onnx(bytes: &[u8]) {
    let options = dvm_onnx::Options {
        size: Some((32, 32)),
    };
    let Ok(read) = dvm_onnx::from_bytes(bytes, "file.onnx", options) else {
        return;
    };
    let shape = [1, read.channels, read.size.0, read.size.1];
    let network = Network::new(read.graph);
    let graph = network.fused();
    // A large network is no mistake of the reader; whoever runs it asks first, as here.
    let small = graph
        .peak_values(&shape)
        .is_ok_and(|values| values < 1 << 20)
        && graph
            .multiply_adds(&shape)
            .is_ok_and(|count| count < 1 << 24);
    if small {
        let _ = graph.logits(&Tensor::zeros(&shape));
    }
}

/// Weights as safetensors.
pub fn safetensors(bytes: &[u8]) {
    let _ = Weights::from_safetensors(bytes, "file.safetensors");
}

/// Weights as PyTorch writes them, of any age.
pub fn pth(bytes: &[u8]) {
    as_file(bytes, ".pth", |path| {
        let _ = Weights::read(path);
    });
}

/// A pickle, as a document.
pub fn pickle(bytes: &[u8]) {
    let limits = dvm_pickle::Limits { steps: 1 << 20 };
    let known = |module: &str, name: &str| (module.len() < 40).then(|| name.to_owned());
    let _ = dvm_pickle::Document::read(&mut &bytes[..], limits, known);
}

/// A picture.
pub fn picture(bytes: &[u8]) {
    let limits = Limits {
        file_bytes: 1 << 20,
        pixels: 1 << 20,
        memory: 64 << 20,
    };
    let _ = decode(bytes, &limits);
}

/// An array of NumPy, as a file of its own or pickled.
pub fn npy(bytes: &[u8]) {
    as_file(bytes, ".npy", |path| {
        if let Ok(array) = read_array(path) {
            for row in 0..array.rows().min(4) {
                let _ = array.row(row);
            }
        }
    });
    as_file(bytes, ".pkl", |path| {
        let _ = read_array(path);
    });
}

/// A NIfTI volume, packed or not.
pub fn nifti(bytes: &[u8]) {
    as_file(bytes, ".nii", slices);
    as_file(bytes, ".nii.gz", slices);
}

/// A DICOM file.
pub fn dicom(bytes: &[u8]) {
    as_file(bytes, ".dcm", slices);
}

fn slices(path: &Path) {
    let _ = slice_count(path);
    let _ = read_slices(path, &Wanted::All);
}

/// Bytes as a file with such an ending.
fn as_file(bytes: &[u8], ending: &str, read: impl FnOnce(&Path)) {
    let mut file = tempfile::Builder::new()
        .suffix(ending)
        .tempfile()
        .expect("there is room for a temporary file");
    file.write_all(bytes)
        .expect("there is room for a temporary file");
    read(file.path());
}
