//! `dvm models convert`: a network from one kind of file to another.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::failure::Failure;
use crate::options::{ModelOptions, RunOptions};
use crate::report;

#[derive(Args)]
pub struct Arguments {
    /// A network by name, or a file that holds one
    #[arg(value_name = "NAME|IN", value_hint = ValueHint::FilePath)]
    input: String,
    /// The file to write; its ending says in what format
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// The architecture of the weights, where the file does not say it
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Names of its classes: one per line, or JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    classes: Option<PathBuf>,
    /// How pictures are prepared, if not as the weights say: `imagenet`, or a JSON file
    #[arg(long, value_name = "imagenet|FILE", value_hint = ValueHint::FilePath)]
    preprocess: Option<String>,
    #[command(flatten)]
    run: RunOptions,
}

/// What was written.
#[derive(Serialize)]
struct Written {
    file: String,
    network: String,
    classes: usize,
    parameters: usize,
    bytes: u64,
}

/// Reads a network and writes it.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    arguments.run.start_threads()?;
    let (model, weights) = match arguments.model {
        Some(architecture) => (architecture, Some(arguments.input.into())),
        None => (arguments.input, None),
    };
    let options = ModelOptions {
        model: Some(model),
        weights,
        classes: arguments.classes,
        preprocess: arguments.preprocess,
    };
    let classifier = options.open(&arguments.run)?;
    classifier.save(&arguments.output)?;
    let values = classifier.network().whole().values().iter();
    let written = Written {
        file: arguments.output.display().to_string(),
        network: classifier.name().to_owned(),
        classes: classifier.classes().len(),
        parameters: values.map(|value| value.len()).sum(),
        bytes: std::fs::metadata(&arguments.output).map_or(0, |facts| facts.len()),
    };
    if arguments.run.json {
        return report::print_json(&written);
    }
    Ok(report::print(&format!(
        "{}: {} with {} classes, {:.1} MB\n",
        written.file,
        written.network,
        written.classes,
        written.bytes as f64 / 1e6,
    ))?)
}
