//! Why an ONNX file cannot be read.

use std::io;

/// An error about an ONNX file. Each names the file, and says what to do if that is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file, or one that it names, cannot be read.
    #[error("cannot read {file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The bytes are not an ONNX file, or a damaged one.
    #[error("{file}: not a complete ONNX file: {detail}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The file contradicts itself or the standard.
    #[error("{file}: {place}{detail}")]
    Invalid {
        /// The file.
        file: String,
        /// The node, as the beginning of a sentence; empty if it is about the whole file.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// It needs more memory or work than a limit allows.
    #[error("{file}: {detail}")]
    TooLarge {
        /// The file.
        file: String,
        /// What is too large.
        detail: String,
    },
    /// It has nodes that dvm does not support: all of them.
    #[error(
        "{file}: has nodes that dvm does not support (opset {opset}): {}; docs/unsupported.md lists what \
         is not supported",
        .what.join("; ")
    )]
    Unsupported {
        /// The file.
        file: String,
        /// The version of ONNX's operators.
        opset: i64,
        /// Each as ``Op (node `name`): why``.
        what: Vec<String>,
    },
}
