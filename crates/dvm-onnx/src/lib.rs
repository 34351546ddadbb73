//! ONNX files: an exported classifier becomes a graph, and a graph becomes a file.

#[allow(dead_code)] // Both ways to come read and write it.
mod proto;
