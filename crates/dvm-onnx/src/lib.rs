//! ONNX files: an exported classifier becomes a graph, and a graph becomes a file.
//!
//! [`read`] takes files of any exporter: the file's graph becomes a graph of `dvm_engine`, with the names
//! that the file has, on which everything works that works on the networks of the zoo.

mod error;
mod export;
mod file;
mod import;
mod metadata;
mod names;
mod pixels;
mod proto;
mod read;
mod survey;

use std::collections::BTreeMap;
use std::path::Path;

use dvm_engine::{Graph, Output, Parameter, Tensor};

pub use error::OnnxError;
pub use export::{Export, ExportError, OPSET, Untold, structure, to_onnx};
pub use file::OnnxFile;
pub use metadata::class_names;
pub use pixels::{ChannelOrder, PixelRange, Pixels};

/// The domain of this crate's own operators, which only structures have.
pub(crate) const OWN_DOMAIN: &str = "dvm";

/// What a caller may say about a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Rows and columns of the pictures, for files that leave them open.
    pub size: Option<(usize, usize)>,
}

/// Rows and columns of pictures, where neither the file nor the caller says any.
const USUAL_SIZE: (usize, usize) = (224, 224);

/// A network from a file.
pub struct Imported {
    /// The network: pictures `[N, C, H, W]` to numbers `[N, K]`, for any number of pictures.
    pub graph: Graph,
    /// What the numbers mean, if the end of the graph tells: a softmax or a sigmoid, which is left out.
    pub output: Option<Output>,
    /// Channels of its pictures: three, or one where they are grey, or others.
    pub channels: usize,
    /// The name of its input.
    pub input: String,
    /// Numbers that the graph gives for each picture.
    pub outputs: usize,
    /// Whether the file takes pixels as whole numbers of 0 to 255 (`uint8`); the graph takes them as
    /// floats.
    pub takes_bytes: bool,
    /// Rows that the file asks for; `None` where they are open.
    pub height: Option<usize>,
    /// Columns that the file asks for.
    pub width: Option<usize>,
    /// Rows and columns that the graph was made for: the file's, the caller's, or else 224 × 224.
    pub size: (usize, usize),
    /// The file's metadata.
    pub metadata: BTreeMap<String, String>,
    /// What was left out or chosen, and changes nothing.
    pub notes: Vec<String>,
    /// What a user has to know.
    pub warnings: Vec<String>,
    /// The program that wrote the file, and its version.
    pub producer: String,
    /// The version of ONNX's operators.
    pub opset: i64,
    /// Names of the classes, where the file has as many as there are; a *no* and a *yes* for a network
    /// with a single number.
    pub classes: Option<Vec<String>>,
    /// What the graph tells of the pixels that it takes, where it scales or shifts them before its first
    /// layer.
    pub pixels: Option<Pixels>,
    /// SHA-256 of the file, in hexadecimal; not of weights that lie beside it.
    pub sha256: String,
}

/// Whether these bytes, the beginning of a file, look like an ONNX file: a version of the format, and
/// then its producer or another field of a model.
pub fn is_onnx(head: &[u8]) -> bool {
    // Field 1, a small number; then field 2 (producer), 7 (graph) or 8 (opsets).
    matches!(head, [0x08, 3..=30, 0x12 | 0x1a | 0x3a | 0x42 | 0x72, ..])
}

/// Reads a file, and the weights that lie beside it.
///
/// # Errors
/// [`OnnxError`] names the file and the node. A file that claims more than its length can justify is
/// refused before memory is spent on it.
pub fn read(path: &Path, options: Options) -> Result<Imported, OnnxError> {
    OnnxFile::open(path)?.import(options)
}

/// Reads the bytes of a file; `name` stands for it in messages.
///
/// # Errors
/// As [`read`]; weights that lie in other files are not read.
pub fn from_bytes(bytes: &[u8], name: &str, options: Options) -> Result<Imported, OnnxError> {
    imported(name, &read::decode(bytes, name)?, options, None)
}

/// Makes a network of a file that tells its structure, but leaves its weights out; `value` gives those.
/// The file's tensors of floats that have no numbers are parameters, each as its layer has it: a
/// fully connected layer `[O, I]`.
///
/// # Errors
/// As [`read`], and where a value has another shape than its parameter.
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
    let taken = import::take(name, model, decoded.bytes, size, absent)?;
    let metadata: BTreeMap<String, String> = model
        .metadata_props
        .iter()
        .map(|entry| (entry.key.clone(), entry.value.clone()))
        .collect();
    let opening = &taken.opening;
    let size = (opening.height, opening.width);
    let shapes = taken.graph.shapes(&[1, opening.channels, size.0, size.1]);
    let count = shapes
        .map(|shapes| shapes[taken.graph.output().index()][1])
        .unwrap_or(0);
    let own = metadata::classes(&metadata, Output::classes(count));
    let at_end = taken.classes.filter(|names| names.len() == count);
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
        channels: opening.channels,
        input: opening.name.clone(),
        outputs: count,
        takes_bytes: opening.takes_bytes,
        height: opening.fixed.0,
        width: opening.fixed.1,
        size,
        graph: taken.graph,
        output: taken.output,
        classes: own.or(at_end).or(no_and_yes),
        metadata,
        notes: taken.notes,
        warnings: taken.warnings,
        producer: format!("{} {}", model.producer_name, model.producer_version)
            .trim()
            .to_owned(),
        opset: opset.unwrap_or(1),
        pixels: taken.pixels,
        sha256: decoded.sha256.clone(),
    })
}
