//! Errors of training.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::Advice;

/// An error of training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An unknown name.
    #[error("unknown {kind} `{name}`; choose one of {known}")]
    Unknown {
        /// What it names, such as `optimiser`.
        kind: &'static str,
        /// The unknown name.
        name: String,
        /// The known names.
        known: String,
    },
    /// An unknown option.
    #[error("{owner} has no option `{option}`; its options are: {known}")]
    UnknownOption {
        /// Whose option, such as `optimiser sgd`.
        owner: String,
        /// The unknown option.
        option: String,
        /// The known options.
        known: String,
    },
    /// An invalid value of an option.
    #[error("invalid value `{value}` for `{option}` of {owner}: it must be {expected}")]
    OptionValue {
        /// Whose option, such as `optimiser sgd`.
        owner: String,
        /// The option.
        option: String,
        /// The invalid value.
        value: String,
        /// Which values are valid.
        expected: String,
    },
    /// The loss cannot be computed for these logits and targets.
    #[error("the loss of logits of shape {logits:?}: {detail}")]
    Loss {
        /// Shape of the logits.
        logits: Vec<usize>,
        /// What is wrong.
        detail: String,
    },
    /// A saved state belongs to another network or other settings.
    #[error("the saved state of the {owner} does not fit: {detail}")]
    State {
        /// Whose state, such as `optimiser`.
        owner: &'static str,
        /// What does not match.
        detail: String,
    },
    /// An evaluation is not possible.
    #[error("evaluation: {0}")]
    Evaluation(String),
    /// The configuration is invalid.
    #[error("configuration: {0}")]
    Config(String),
    /// The folder of a run cannot be used.
    #[error("{}: {detail}", folder.display())]
    Run {
        /// The folder.
        folder: PathBuf,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// The folder of a new run has a run with weights already.
    #[error(
        "{}: the folder has a run already; resume it, replace it, or choose another folder",
        folder.display()
    )]
    RunExists {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is not a checkpoint of this run.
    #[error("{}: {detail}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A file of a run cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The loss or the weights are not finite.
    #[error(
        "training diverged: {what} became {value} in epoch {epoch}, step {step}, with a learning \
         rate of {learning_rate}. Train again and {advice}. Files that were saved before are unchanged"
    )]
    NotFinite {
        /// `the loss`, `the validation loss` or `the weights`.
        what: &'static str,
        /// NaN or infinity.
        value: f64,
        /// From 1.
        epoch: u64,
        /// The step of the epoch, from 1.
        step: usize,
        /// The learning rate of that step.
        learning_rate: f64,
        /// What to change.
        advice: Advice,
    },
    /// Some pictures cannot be read.
    #[error("{}", broken(folder, pictures))]
    Broken {
        /// The data set.
        folder: PathBuf,
        /// One message per picture, with the file.
        pictures: Vec<String>,
    },
    /// A batch does not fit in the memory of the device.
    #[error(
        "the device `{device}` does not have enough free memory to train with batches of {batch}{detail}: use \
         smaller batches, and accumulate several for each step (`accumulate`), or compute on the CPU"
    )]
    DeviceMemory {
        /// Name of the device.
        device: String,
        /// Pictures of a batch.
        batch: usize,
        /// What was needed; begins with a space or a comma, or is empty.
        detail: String,
    },
    /// The data set cannot be read.
    #[error(transparent)]
    Data(#[from] dvm_data::Error),
    /// The network cannot be computed.
    #[error(transparent)]
    Engine(#[from] dvm_engine::Error),
}

/// Most pictures that an error names.
const NAMED: usize = 10;

fn broken(folder: &Path, pictures: &[String]) -> String {
    let count = match pictures.len() {
        1 => "1 picture cannot".to_owned(),
        n => format!("{n} pictures cannot"),
    };
    let mut words = format!("{}: {count} be read: ", folder.display());
    let first: Vec<&str> = pictures.iter().take(NAMED).map(String::as_str).collect();
    words += &first.join("; ");
    if pictures.len() > NAMED {
        let _ = write!(words, "; and {} more", pictures.len() - NAMED);
    }
    words += ". Repair or remove them, or skip them (`on_broken = skip`)";
    words
}

impl Error {
    /// For `map_err` on calls of the file system.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
