//! `dvm models convert`: converts a network to another file format.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use dvm::Classifier;
use dvm::models::FileFormat;
use serde::Serialize;

use crate::failure::Failure;
use crate::options::{ModelOptions, NetworkOptions, RunOptions};
use crate::report;

#[derive(Args)]
#[command(after_help = "\
Formats:
  .safetensors  for dvm, with everything that dvm needs to know
  .pth, .pt     for torch.load: a state dict
  .onnx         for ONNX Runtime and others: opset 17, input of the crop's size, any batch size

Every format also holds the class names and the preprocessing. An existing file OUT is replaced.

Examples:
  dvm models convert trained.pth trained.safetensors --model resnet18 --classes names.txt
  dvm models convert squeezenet1_1 squeezenet.onnx")]
pub struct Arguments {
    /// Network: a name or a file
    #[arg(value_name = "NAME|IN", value_hint = ValueHint::FilePath)]
    input: String,
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
    #[arg(help = format!("File to write: {}", FileFormat::endings()))]
    output: PathBuf,
    /// Architecture of the weights, if the file does not name it
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    model: Option<String>,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    run: RunOptions,
}

/// The written file, as JSON.
#[derive(Serialize)]
struct Written {
    file: String,
    network: String,
    /// The part of the read file that holds the weights, if it holds more.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    classes: usize,
    parameters: usize,
    bytes: u64,
    /// What the file does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// Reads a network and writes it.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let format = format_of(&arguments.output)?;
    refuse_same_file(&arguments.input, &arguments.output)?;
    let engine = arguments.run.start_engine()?;
    let (model, weights) = match arguments.model {
        Some(architecture) => (architecture, Some(arguments.input.into())),
        None => (arguments.input, None),
    };
    let options = ModelOptions {
        model: Some(model),
        weights,
        network: arguments.network,
    };
    let classifier = options.open(&engine)?;
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

/// The format of the file, by its extension.
fn format_of(output: &Path) -> Result<FileFormat, Failure> {
    FileFormat::of(output).ok_or_else(|| {
        Failure::Request(format!(
            "{}: unknown extension; dvm writes networks as {}",
            output.display(),
            FileFormat::endings()
        ))
    })
}

/// Checks that input and output differ, so that the input is kept.
fn refuse_same_file(input: &str, output: &Path) -> Result<(), Failure> {
    let whole = |path: &Path| std::fs::canonicalize(path).ok();
    match (whole(Path::new(input)), whole(output)) {
        (Some(from), Some(to)) if from == to => Err(Failure::Request(format!(
            "{input} is input and output; give the output another name"
        ))),
        _ => Ok(()),
    }
}

/// Number of values of the network in the file.
fn parameters(classifier: &Classifier, format: FileFormat) -> usize {
    let network = classifier.network();
    let graph = match format {
        FileFormat::Onnx => network.graph(),
        _ => network.whole(),
    };
    graph.values().iter().map(|value| value.len()).sum()
}

/// A note about what the file does not hold.
fn note(classifier: &Classifier, format: FileFormat) -> Option<&'static str> {
    let is_loose = classifier.architecture().is_none() && format == FileFormat::Torch;
    is_loose.then_some(
        "the file holds only the weights, with the names of the ONNX file: PyTorch can read them, but the graph is \
         lost; .safetensors and .onnx keep it",
    )
}
