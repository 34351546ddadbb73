//! A graph becomes an ONNX file.
//!
//! Every op of the engine is written by one of the [`FAMILIES`], one file each: as one operator of
//! ONNX where there is one, as several where there is none. What depends on the size of the picture
//! (paddings that make up for it, windows of adaptive pools) is written for the size that the file
//! says its pictures have; the number of pictures stays open.

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

/// The version of ONNX's operators that files are written in: the first with layer normalisation.
pub const OPSET: i64 = 17;

/// Who wrote a file, as it says itself.
pub(crate) const PRODUCER: &str = "dvm";

/// The version of the format that came with [`OPSET`].
const IR_VERSION: i64 = 8;

/// Who writes an op: the first that knows it.
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

/// What a file says beside its graph.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// What the graph is called.
    pub name: &'a str,
    /// Rows and columns of its pictures.
    pub size: (usize, usize),
    /// Its metadata, keys and texts.
    pub metadata: &'a BTreeMap<String, String>,
}

/// Why a graph cannot be written as ONNX.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The graph cannot be walked for pictures of that size.
    #[error(transparent)]
    Network(#[from] dvm_engine::Error),
    /// Some ops have no counterpart.
    #[error("ONNX has no operators for {}", list(.0))]
    Unsupported(Vec<Untold>),
    /// The file would be larger than the format allows.
    #[error(
        "the network takes {0} bytes, and an .onnx file holds less than 2 GiB; write .safetensors \
         instead"
    )]
    TooLarge(u64),
}

/// A node that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// Its name.
    pub node: String,
    /// The kind of its op.
    pub kind: &'static str,
    /// Why, as the end of a sentence.
    pub detail: String,
}

/// The nodes that are in the way, the first ones by name.
fn list(nodes: &[Untold]) -> String {
    const SHOWN: usize = 10;
    let named = nodes.iter().take(SHOWN);
    let named = named.map(|n| format!("node `{}` ({}), {}", n.node, n.kind, n.detail));
    let mut text = named.collect::<Vec<String>>().join("; ");
    if nodes.len() > SHOWN {
        text += &format!("; and {} more", nodes.len() - SHOWN);
    }
    text
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To be run: what only training has is left out, weights are inside.
    Use,
    /// To be read again by this crate beside the weights, which lie elsewhere: what training has stays,
    /// and what depends on the size of pictures is left open where ONNX can say so.
    Structure,
}

/// The bytes of an `.onnx` file: the graph as it is in use, its input `input` `[N, C, H, W]`, its output
/// `logits`, nodes and parameters under their own names. The same graph gives the same bytes.
///
/// # Errors
/// [`ExportError`] names the nodes that cannot be written.
pub fn to_onnx(graph: &Graph, export: &Export) -> Result<Vec<u8>, ExportError> {
    let written = Writer::write(graph, export.size, Purpose::Use)?;
    file::bytes(written, graph, export, Purpose::Use)
}

/// The same without the values of the parameters and the metadata: a checkpoint that holds them carries
/// this beside them, so that the network can be built again.
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
