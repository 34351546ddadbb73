//! ONNX files: an exported classifier becomes a graph, and a graph becomes a file.

mod export;
#[allow(dead_code)] // Both ways to come read and write it.
mod proto;

pub use export::{Export, ExportError, OPSET, Untold, structure, to_onnx};
