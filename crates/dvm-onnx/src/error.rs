//! Why an ONNX file is not taken.

use std::io;

/// An error about an ONNX file; each names the file, and says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file, or one that it names, cannot be read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes are no ONNX file, or a damaged one.
    #[error("{file}: is no whole ONNX file: {detail}")]
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
        /// The node, as the beginning of a sentence; empty if it is about the whole.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// It asks for more memory or work than a classifier needs.
    #[error("{file}: {detail}")]
    TooLarge {
        /// The file.
        file: String,
        /// What is too large.
        detail: String,
    },
    /// It holds operators, or uses of them, that this program does not compute: all of them.
    #[error(
        "{file}: has {} that this program cannot compute (opset {opset}): {}; docs/unsupported.md lists \
         what is known to be missing",
        counted(.what.len()),
        .what.join("; ")
    )]
    Unsupported {
        /// The file.
        file: String,
        /// The version of ONNX's operators.
        opset: i64,
        /// Each as `Op (node "name"): why`.
        what: Vec<String>,
    },
}

fn counted(nodes: usize) -> String {
    match nodes {
        1 => "a node".into(),
        several => format!("{several} kinds of nodes"),
    }
}
