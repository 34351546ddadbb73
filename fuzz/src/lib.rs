//! The readers of files from strangers, one function per format: each reads bytes as `dvm` would read a
//! file, and what comes of it does not matter, as long as something does.
//!
//! Each says whether the bytes were a file of its format: seeds that are all refused would test nothing.
//!
//! The fuzz targets call these, and so does a test of the main workspace (`crates/dvm/tests/fuzz_corpora.rs`),
//! which includes this file.

use std::io::Write;
use std::path::Path;

use dvm_data::formats::{Wanted, read_array, read_slices, slice_count};
use dvm_data::regions::Regions;
use dvm_engine::weights::Weights;
use dvm_engine::{Network, Tensor};
use dvm_image::{Limits, Preprocess, Resize, decode};

/// An exported classifier; if it becomes a small network, it sees a picture.
pub fn onnx(bytes: &[u8]) -> bool {
    let options = dvm_onnx::Options {
        size: Some((32, 32)),
    };
    let Ok(read) = dvm_onnx::from_bytes(bytes, "file.onnx", options) else {
        return false;
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
    true
}

/// Weights as safetensors.
pub fn safetensors(bytes: &[u8]) -> bool {
    Weights::from_safetensors(bytes, "file.safetensors").is_ok()
}

/// Weights as PyTorch writes them, of any age.
pub fn pth(bytes: &[u8]) -> bool {
    as_file(bytes, ".pth", |path| Weights::read(path).is_ok())
}

/// A pickle, as a document.
pub fn pickle(bytes: &[u8]) -> bool {
    let limits = dvm_pickle::Limits { steps: 1 << 20 };
    let known = |module: &str, name: &str| (module.len() < 40).then(|| name.to_owned());
    dvm_pickle::Document::read(&mut &bytes[..], limits, known).is_ok()
}

/// A picture.
pub fn picture(bytes: &[u8]) -> bool {
    let limits = Limits {
        file_bytes: 1 << 20,
        pixels: 1 << 20,
        memory: 64 << 20,
    };
    decode(bytes, &limits).is_ok()
}

/// An array of NumPy, as a file of its own or pickled.
pub fn npy(bytes: &[u8]) -> bool {
    let plain = as_file(bytes, ".npy", |path| {
        let Ok(array) = read_array(path) else {
            return false;
        };
        for row in 0..array.rows().min(4) {
            let _ = array.row(row);
        }
        true
    });
    as_file(bytes, ".pkl", |path| read_array(path).is_ok()) || plain
}

/// A NIfTI volume, packed or not.
pub fn nifti(bytes: &[u8]) -> bool {
    let plain = as_file(bytes, ".nii", slices);
    as_file(bytes, ".nii.gz", slices) || plain
}

/// A DICOM file.
pub fn dicom(bytes: &[u8]) -> bool {
    as_file(bytes, ".dcm", slices)
}

/// Boxes and masks: a COCO file, a Pascal VOC file or a PNG mask, about a picture `x.jpg` of 10×10 pixels.
pub fn regions(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let path = folder.path().join("x");
    std::fs::write(&path, bytes).expect("there is room for a temporary file");
    let Ok(regions) = Regions::open(&path) else {
        return false;
    };
    let preprocess = Preprocess {
        resize: Resize::Exact(7, 9),
        crop: (5, 11),
        ..Preprocess::imagenet()
    };
    let placement = preprocess.placement(10, 10);
    let located = regions.locate(Path::new("x.jpg"), Some("dog"), &placement);
    located.is_ok_and(|located| located.pixels().is_some())
}

fn slices(path: &Path) -> bool {
    let counted = slice_count(path).is_ok();
    read_slices(path, &Wanted::All).is_ok() && counted
}

/// Bytes as a file with such an ending, whose name is not that of a hidden one: those are passed over.
fn as_file(bytes: &[u8], ending: &str, read: impl FnOnce(&Path) -> bool) -> bool {
    let mut file = tempfile::Builder::new()
        .prefix("file")
        .suffix(ending)
        .tempfile()
        .expect("there is room for a temporary file");
    file.write_all(bytes)
        .expect("there is room for a temporary file");
    read(file.path())
}
