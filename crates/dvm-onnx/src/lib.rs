//! Import and export of ONNX files.
//!
//! [`read`] turns a classifier exported by any tool into a graph of `dvm_engine`, with the names of the file. [`to_onnx`]
//! turns a graph into a file.

mod error;
mod export;
mod file;
mod import;
mod metadata;
mod names;
mod pixels;
mod proto;
mod read;
mod size_check;

use std::collections::BTreeMap;
use std::path::Path;

use dvm_engine::{Graph, Output, Parameter, Tensor};

pub use error::OnnxError;
pub use export::{Export, ExportError, OPSET, UnsupportedNode, structure, to_onnx};
pub use file::OnnxFile;
pub use metadata::class_names;
pub use pixels::{ChannelOrder, PixelRange, Pixels};

/// The domain of this crate's operators, which only [`structure`]s have.
pub(crate) const OWN_DOMAIN: &str = "dvm";

/// Options of the import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Rows and columns of the input, for files in which they are dynamic.
    pub size: Option<(usize, usize)>,
}

/// The default rows and columns of a dynamic input.
const USUAL_SIZE: (usize, usize) = (224, 224);

/// A network from a file.
pub struct Imported {
    /// The network: inputs `[N, C, H, W]` to logits `[N, K]`, for any batch size.
    pub graph: Graph,
    /// What the logits mean, if the file ends with a softmax or sigmoid, which is left out.
    pub output: Option<Output>,
    /// Channels of the input: usually 3, or 1 for grey pictures.
    pub channels: usize,
    /// The name of the input.
    pub input: String,
    /// Logits per picture, K.
    pub outputs: usize,
    /// Whether the file expects integer pixels of 0 to 255 (`uint8`); the graph reads them as floats.
    pub takes_bytes: bool,
    /// Rows of the input; `None` if dynamic.
    pub height: Option<usize>,
    /// Columns of the input; `None` if dynamic.
    pub width: Option<usize>,
    /// Rows and columns that the graph was built for: those of the file, of [`Options`], or else 224 × 224.
    pub size: (usize, usize),
    /// The file's metadata.
    pub metadata: BTreeMap<String, String>,
    /// What was left out or chosen, without effect on the results.
    pub notes: Vec<String>,
    /// What may affect the results.
    pub warnings: Vec<String>,
    /// The program that wrote the file, and its version.
    pub producer: String,
    /// The version of ONNX's operators.
    pub opset: i64,
    /// Class names, if the file has as many as there are classes; *no* and *yes* for a single logit.
    pub classes: Option<Vec<String>>,
    /// Which pixels the graph expects, if it scales or shifts them before its first layer.
    pub pixels: Option<Pixels>,
    /// SHA-256 of the file, in hexadecimal; without external weights.
    pub sha256: String,
}

/// Whether a file that begins with these bytes may be an ONNX file: a format version, followed by the producer or another
/// field of a model.
pub fn is_onnx(head: &[u8]) -> bool {
    // Field 1, a small number; then field 2 (producer), 7 (graph) or 8 (opsets).
    matches!(head, [0x08, 3..=30, 0x12 | 0x1a | 0x3a | 0x42 | 0x72, ..])
}

/// Reads a file and its external weights.
///
/// # Errors
/// [`OnnxError`] names the file and the node. A file that declares more than its length justifies is an error before
/// memory is allocated.
pub fn read(path: &Path, options: Options) -> Result<Imported, OnnxError> {
    OnnxFile::open(path)?.import(options)
}

/// Reads the bytes of a file, called `name` in messages.
///
/// # Errors
/// As [`read`], and if weights are in other files.
pub fn from_bytes(bytes: &[u8], name: &str, options: Options) -> Result<Imported, OnnxError> {
    imported(name, &read::decode(bytes, name)?, options, None)
}

/// Builds a network from a file without weights ([`structure`]); `value` supplies them. Each tensor of floats without
/// numbers is a parameter in the shape of its layer, for a fully connected layer `[O, I]`.
///
/// # Errors
/// As [`read`], and if a value has another shape than its parameter.
pub fn from_structure(
    bytes: &[u8],
    mut value: impl FnMut(&Parameter) -> Tensor,
) -> Result<Imported, OnnxError> {
    let name = "the network's structure";
    let decoded = read::decode(bytes, name)?;
    imported(name, &decoded, Options::default(), Some(&mut value))
}

fn imported(
    name: &str,
    decoded: &read::Decoded,
    options: Options,
    absent: Option<&mut dyn FnMut(&Parameter) -> Tensor>,
) -> Result<Imported, OnnxError> {
    let model = &decoded.model;
    let size = options.size.unwrap_or(USUAL_SIZE);
    let read = import::import_model(name, model, decoded.bytes, size, absent)?;
    let metadata = model.metadata();
    let input = &read.input;
    let size = (input.height, input.width);
    let shapes = read.graph.shapes(&[1, input.channels, size.0, size.1]);
    let count = shapes
        .map(|shapes| shapes[read.graph.output().index()][1])
        .unwrap_or(0);
    let own = metadata::classes(&metadata, Output::classes(count));
    let at_end = read.classes.filter(|names| names.len() == count);
    let no_and_yes = (count == 1).then(|| {
        let yes = metadata::classes(&metadata, 1).map(|mut names| names.remove(0));
        let no = yes.as_ref().map(|yes| format!("not {yes}"));
        vec![no.unwrap_or("no".into()), yes.unwrap_or("yes".into())]
    });
    let sets = model.opset_import.iter();
    let opset = sets
        .filter(|set| set.domain.is_empty())
        .map(|set| set.version)
        .next();
    Ok(Imported {
        channels: input.channels,
        input: input.name.clone(),
        outputs: count,
        takes_bytes: input.takes_bytes,
        height: input.fixed.0,
        width: input.fixed.1,
        size,
        graph: read.graph,
        output: read.output,
        classes: own.or(at_end).or(no_and_yes),
        metadata,
        notes: read.notes,
        warnings: read.warnings,
        producer: format!("{} {}", model.producer_name, model.producer_version)
            .trim()
            .to_owned(),
        opset: opset.unwrap_or(1),
        pixels: read.pixels,
        sha256: decoded.sha256.clone(),
    })
}
