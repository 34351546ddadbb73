//! A graph becomes an ONNX file.
//!
//! Every op of the engine belongs to one of the [`FAMILIES`], one file each, and is written as one operator of ONNX or, if
//! there is none, as several. What depends on the input size (same padding, windows of adaptive pools) is written for the
//! size in the file. The batch size stays dynamic.

mod activation;
mod arithmetic;
mod attention;
mod attribute;
mod convolution;
mod file;
mod layout;
mod linear;
mod normalisation;
mod pool;
mod training;
mod window_attention;
mod writer;

use std::collections::BTreeMap;

use dvm_engine::Graph;

use self::writer::{Family, Writer};

/// The version of ONNX's operators in written files: the first with layer normalisation.
pub const OPSET: i64 = 17;

/// The producer's name in written files.
pub(crate) const PRODUCER: &str = "dvm";

/// The format version that belongs to [`OPSET`].
const IR_VERSION: i64 = 8;

/// The families of ops. The first that knows an op writes it.
const FAMILIES: [Family; 10] = [
    convolution::write,
    linear::write,
    normalisation::write,
    pool::write,
    activation::write,
    arithmetic::write,
    layout::write,
    attention::write,
    window_attention::write,
    training::write,
];

/// What a file contains beside its graph.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// The graph's name.
    pub name: &'a str,
    /// Rows and columns of the input.
    pub size: (usize, usize),
    /// The metadata: keys and texts.
    pub metadata: &'a BTreeMap<String, String>,
}

/// Why a graph cannot be written as ONNX.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The graph does not support inputs of that size.
    #[error(transparent)]
    Network(#[from] dvm_engine::Error),
    /// Some nodes cannot be written.
    #[error("the network cannot be written as ONNX: {}", list(.0))]
    Unsupported(Vec<UnsupportedNode>),
    /// The file would be larger than the format allows.
    #[error(
        "the network needs {0} bytes, but an .onnx file is limited to 2 GiB; write .safetensors instead"
    )]
    TooLarge(u64),
}

/// A node that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedNode {
    /// Its name.
    pub node: String,
    /// The kind of its op.
    pub kind: &'static str,
    /// Why, as a predicate of the node.
    pub detail: String,
}

/// Why a node of a fused graph cannot be written.
const FUSED: &str = "was fused with other nodes";

/// The nodes for an error, at most ten.
fn list(nodes: &[UnsupportedNode]) -> String {
    const SHOWN: usize = 10;
    let named = nodes.iter().take(SHOWN);
    let named = named.map(|n| format!("node `{}` ({}) {}", n.node, n.kind, n.detail));
    let mut text = named.collect::<Vec<String>>().join("; ");
    if nodes.len() > SHOWN {
        text += &format!("; and {} more", nodes.len() - SHOWN);
    }
    text
}

/// The purpose of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To be run: with weights, without nodes for training.
    Use,
    /// To be read by this crate together with weights from elsewhere: with nodes for training, and independent of the
    /// input size where ONNX allows it.
    Structure,
}

/// The bytes of an `.onnx` file: the graph for inference, with the input `input` `[N, C, H, W]`, the output `logits`, and the
/// names of its nodes and parameters. The same graph gives the same bytes.
///
/// # Errors
/// [`ExportError`] lists the nodes that cannot be written.
pub fn to_onnx(graph: &Graph, export: &Export) -> Result<Vec<u8>, ExportError> {
    let written = Writer::write(graph, export.size, Purpose::Use)?;
    file::bytes(written, graph, export, Purpose::Use)
}

/// The same without parameter values and metadata. A checkpoint stores it beside its weights, to rebuild the network.
///
/// # Errors
/// As [`to_onnx`].
pub fn structure(graph: &Graph, name: &str, size: (usize, usize)) -> Result<Vec<u8>, ExportError> {
    let metadata = &BTreeMap::new();
    let export = Export {
        name,
        size,
        metadata,
    };
    let written = Writer::write(graph, size, Purpose::Structure)?;
    file::bytes(written, graph, &export, Purpose::Structure)
}
