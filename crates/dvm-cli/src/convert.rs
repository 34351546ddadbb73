//! `dvm models convert`: a network from one kind of file to another.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use dvm::Classifier;
use dvm::models::FileFormat;
use serde::Serialize;

use crate::failure::Failure;
use crate::options::{ModelOptions, OutputOption, RunOptions};
use crate::preprocess_options::PreprocessOptions;
use crate::report;

#[derive(Args)]
#[command(after_help = "\
.safetensors carries all that dvm needs to know of a network, .pth is what torch.load reads, and .onnx \
is what ONNX Runtime runs (operators of version 17, pictures of the size of the preprocessing's crop, \
any number at once). Classes and preprocessing go with the weights in every format. A file of the name \
OUT is replaced, when the new one is whole.")]
pub struct Arguments {
    /// A network by name, or a file that holds one
    #[arg(value_name = "NAME|IN", value_hint = ValueHint::FilePath)]
    input: String,
    /// The file to write; its ending says in what format: .safetensors, .pth, .pt or .onnx
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// The architecture of the weights, where the file does not say it
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Names of its classes: one per line, or JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    classes: Option<PathBuf>,
    /// Which network of a file that holds several: its prefix in the file, such as state_dict_ema, or
    /// ema, raw, teacher, student [default: the averaged one, or the teacher]
    #[arg(long, value_name = "NAME")]
    part: Option<String>,
    #[command(flatten)]
    meaning: OutputOption,
    #[command(flatten)]
    preprocess: PreprocessOptions,
    #[command(flatten)]
    run: RunOptions,
}

/// What was written.
#[derive(Serialize)]
struct Written {
    file: String,
    network: String,
    /// Where in the file that was read the weights were, if it holds more than them.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    classes: usize,
    parameters: usize,
    bytes: u64,
    /// What the file does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// Reads a network and writes it.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let format = format_of(&arguments.output)?;
    refuse_same_file(&arguments.input, &arguments.output)?;
    arguments.run.start_engine()?;
    let (model, weights) = match arguments.model {
        Some(architecture) => (architecture, Some(arguments.input.into())),
        None => (arguments.input, None),
    };
    let options = ModelOptions {
        model: Some(model),
        weights,
        classes: arguments.classes,
        output: arguments.meaning,
        part: arguments.part,
        preprocess: arguments.preprocess,
    };
    let classifier = options.open(&arguments.run)?;
    classifier.save(&arguments.output)?;
    let written = Written {
        file: arguments.output.display().to_string(),
        network: classifier.name().to_owned(),
        part: classifier.weights_part().map(Into::into),
        classes: classifier.classes().len(),
        parameters: parameters(&classifier, format),
        bytes: std::fs::metadata(&arguments.output).map_or(0, |facts| facts.len()),
        note: note(&classifier, format),
    };
    if arguments.run.json {
        return report::print_json(&written);
    }
    if let Some(note) = written.note {
        report::say(&format!("note: {note}"));
    }
    Ok(report::print(&format!(
        "{}: {} with {} classes, {:.1} MB\n",
        report::escaped(&written.file),
        written.network,
        written.classes,
        written.bytes as f64 / 1e6,
    ))?)
}

/// What the file is to be; known before a network is loaded.
fn format_of(output: &Path) -> Result<FileFormat, Failure> {
    FileFormat::of(output).ok_or_else(|| {
        Failure::Request(format!(
            "{}: networks are written as files that end in {}",
            output.display(),
            FileFormat::ENDINGS
        ))
    })
}

/// A conversion in place would leave nothing to go back to.
fn refuse_same_file(input: &str, output: &Path) -> Result<(), Failure> {
    let whole = |path: &Path| std::fs::canonicalize(path).ok();
    match (whole(Path::new(input)), whole(output)) {
        (Some(from), Some(to)) if from == to => Err(Failure::Request(format!(
            "{input} is both read and written; give the result another name"
        ))),
        _ => Ok(()),
    }
}

/// Numbers in the file that are the network's own.
fn parameters(classifier: &Classifier, format: FileFormat) -> usize {
    let network = classifier.network();
    let graph = match format {
        FileFormat::Onnx => network.graph(),
        _ => network.whole(),
    };
    graph.values().iter().map(|value| value.len()).sum()
}

/// What whoever reads the file has to know.
fn note(classifier: &Classifier, format: FileFormat) -> Option<&'static str> {
    let is_loose = classifier.architecture().is_none() && format == FileFormat::Torch;
    is_loose.then_some(
        "the file holds weights under the names of the ONNX file, and no architecture: PyTorch reads \
         them, but nothing knows what to compute; .safetensors and .onnx keep the graph",
    )
}
