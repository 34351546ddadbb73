//! Network files of other frameworks are recognised, with the command that converts them.

use std::path::{Path, PathBuf};

use dvm_zoo::Pretrained;
use tempfile::TempDir;

/// The error for a file or folder of another framework.
fn said(path: &Path) -> String {
    match Pretrained::read(path, None) {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error.to_string(),
    }
}

fn file(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// A zip archive of empty files with these names.
fn archive(names: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut list = Vec::new();
    for name in names {
        let length = (name.len() as u16).to_le_bytes();
        let start = (bytes.len() as u32).to_le_bytes();
        bytes.extend_from_slice(b"PK\x03\x04");
        bytes.extend_from_slice(&[0; 22]);
        bytes.extend_from_slice(&length);
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(name.as_bytes());
        list.extend_from_slice(b"PK\x01\x02");
        list.extend_from_slice(&[0; 24]);
        list.extend_from_slice(&length);
        list.extend_from_slice(&[0; 12]);
        list.extend_from_slice(&start);
        list.extend_from_slice(name.as_bytes());
    }
    let start = (bytes.len() as u32).to_le_bytes();
    let size = (list.len() as u32).to_le_bytes();
    let count = (names.len() as u16).to_le_bytes();
    bytes.extend_from_slice(&list);
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    bytes.extend_from_slice(&[count, count].concat());
    bytes.extend_from_slice(&[size, start].concat());
    bytes.extend_from_slice(&[0; 2]);
    bytes
}

#[test]
fn formats_are_recognised_by_content_not_by_extension() {
    let folder = TempDir::new().unwrap();
    let keras = archive(&["metadata.json", "config.json", "model.weights.h5"]);
    let script = archive(&[
        "net/data.pkl",
        "net/code/__torch__/net.py",
        "net/constants.pkl",
    ]);
    let program = archive(&["net/archive_format", "net/models/model.json"]);
    let graph =
        br#"{"format": "graph-model", "modelTopology": {"node": []}, "weightsManifest": []}"#;
    let layers = br#"{"modelTopology": {"class_name": "Sequential"}, "weightsManifest": []}"#;
    let frozen = b"\x0a\x20\x0a\x05input\x12\x0bPlaceholder*\x0b\x0a\x05dtype\x12\x02\x30\x01";
    let cases: [(&[u8], &str, &str); 13] = [
        (
            b"\x89HDF\r\n\x1a\n\0\0",
            "a Keras model",
            "tf2onnx.convert --keras",
        ),
        (&keras, "a Keras model", "keras.saving.load_model"),
        (
            b"\x1c\0\0\0TFL3\0\0\0\0",
            "a TensorFlow Lite model",
            "tf2onnx.convert --tflite",
        ),
        (
            b"\x08\x01\x12\x10\x0a\x0e\x22\x05serve",
            "a TensorFlow SavedModel",
            "--saved-model",
        ),
        (frozen, "a frozen TensorFlow graph", "--graphdef"),
        (graph, "a TensorFlow.js graph model", "--tfjs"),
        (
            layers,
            "a TensorFlow.js layers model",
            "tensorflowjs_converter",
        ),
        (
            b"\x08\x04\x12\x20\x0a\x1e\x0a\x05image",
            "a Core ML model",
            "as ONNX",
        ),
        (
            &script,
            "a TorchScript program",
            "torch.onnx.export(torch.jit.load(",
        ),
        (
            &program,
            "torch.export",
            "torch.onnx.export(torch.export.load(",
        ),
        (
            b"\x18\0\0\0ORTM\0\0\0\0",
            "ONNX Runtime's own format",
            ".onnx file",
        ),
        (
            b"name: \"net\"\nlayer {\n  name: \"conv1\"\n}",
            "a Caffe model",
            "caffe2onnx",
        ),
        (
            b"<?xml version=\"1.0\"?>\n<net name=\"a\" version=\"11\">",
            "an OpenVINO model",
            "as ONNX",
        ),
    ];
    for (content, name, command) in cases {
        for ending in ["model.bin", "model.pth"] {
            let told = said(&file(&folder, ending, content));
            assert!(told.contains(name) && told.contains(command), "{told}");
            assert!(!told.contains(".safetensors"), "{told}");
        }
    }
}

#[test]
fn folders_of_other_frameworks_are_recognised_by_their_files() {
    let folder = TempDir::new().unwrap();
    file(&folder, "saved_model.pb", b"\x08\x01\x12\x02\x0a\0");
    let told = said(folder.path());
    let name = folder.path().file_name().unwrap().to_string_lossy();
    let command = format!("python -m tf2onnx.convert --saved-model {name} ");
    assert!(told.contains(&command), "{told}");

    let folder = TempDir::new().unwrap();
    file(
        &folder,
        "model.json",
        br#"{"format":"layers-model","modelTopology":{}}"#,
    );
    let told = said(folder.path());
    assert!(told.contains("a TensorFlow.js layers model"), "{told}");
}

#[test]
fn the_command_names_input_and_output_file() {
    let folder = TempDir::new().unwrap();
    let told = said(&file(&folder, "flowers.tflite", b"\x20\0\0\0TFL3"));
    let command = "`python -m tf2onnx.convert --tflite flowers.tflite --output flowers.onnx`";
    assert!(told.contains(command), "{told}");
}

#[test]
fn an_onnx_file_without_a_producer_is_not_a_core_ml_model() {
    let folder = TempDir::new().unwrap();
    let graph = b"\x08\x08\x12\x07pytorch\x3a\x00";
    let told = said(&file(&folder, "model.onnx", graph));
    assert!(!told.contains("Core ML"), "{told}");
    let told = said(&file(&folder, "model.onnx", b"\x08\x08\x12\x00\x3a\x00"));
    assert!(!told.contains("Core ML"), "{told}");
}

#[test]
fn damaged_archives_do_not_panic() {
    let folder = TempDir::new().unwrap();
    let whole = archive(&["net/data.pkl", "net/code/a.py"]);
    for length in 0..whole.len() {
        said(&file(&folder, "net.pt", &whole[..length]));
    }
    let mut lying = whole.clone();
    let at = whole.len() - 10;
    lying[at..at + 4].fill(0xff);
    said(&file(&folder, "net.pt", &lying));
}
