//! Readers for fuzzing, one function per format: each reads bytes as `dvm` reads a file. They must not
//! panic; an error is fine. Each returns whether the bytes were a file of its format, because seeds that are
//! all rejected would test nothing.
//!
//! The fuzz targets and `crates/dvm/tests/fuzz_corpora.rs` call them.

use std::io::Write;
use std::path::Path;

use dvm_data::formats::{Wanted, read_array, read_slices, slice_count};
use dvm_data::regions::Regions;
use dvm_engine::weights::Weights;
use dvm_engine::{Network, Tensor};
use dvm_image::{Limits, Preprocess, Resize, decode};

/// An ONNX file; a small network computes the logits of a picture.
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
    // A large network is not a mistake of the reader; it is not computed here.
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

/// A PyTorch weight file of any version.
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

/// A NumPy array, as `.npy` or pickled.
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

/// A NIfTI volume, compressed or not.
pub fn nifti(bytes: &[u8]) -> bool {
    let plain = as_file(bytes, ".nii", slices);
    as_file(bytes, ".nii.gz", slices) || plain
}

/// A DICOM file.
pub fn dicom(bytes: &[u8]) -> bool {
    as_file(bytes, ".dcm", slices)
}

/// Boxes and masks: a COCO file, a Pascal VOC file or a PNG mask, for a picture `x.jpg` of 10×10 pixels.
pub fn regions(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let path = folder.path().join("x");
    std::fs::write(&path, bytes).expect("a temporary file can be written");
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

/// Writes bytes to a temporary file with this extension. Its name is not hidden, because hidden files are skipped.
fn as_file(bytes: &[u8], ending: &str, read: impl FnOnce(&Path) -> bool) -> bool {
    let mut file = tempfile::Builder::new()
        .prefix("file")
        .suffix(ending)
        .tempfile()
        .expect("a temporary file can be written");
    file.write_all(bytes)
        .expect("a temporary file can be written");
    read(file.path())
}
