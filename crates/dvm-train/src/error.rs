//! What can go wrong in training.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::Advice;

/// An error of training. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A registry has nothing of this name.
    #[error("there is no {kind} `{name}`; there are {known}")]
    Unknown {
        /// What was asked for, such as `optimiser`.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// An option that the chosen entry does not have.
    #[error("{owner} has no option `{option}`; it has {known}")]
    UnknownOption {
        /// Whose option, such as `optimiser sgd`.
        owner: String,
        /// The option given.
        option: String,
        /// The options there are.
        known: String,
    },
    /// A value that an option does not take.
    #[error("`{option}` of {owner} does not take {value}: it takes {expected}")]
    OptionValue {
        /// Whose option, such as `optimiser sgd`.
        owner: String,
        /// The option.
        option: String,
        /// The value given.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// Logits and what they should be do not fit.
    #[error("the loss of logits {logits:?}: {detail}")]
    Loss {
        /// Shape of the logits.
        logits: Vec<usize>,
        /// What does not fit.
        detail: String,
    },
    /// A saved state does not belong to this network or these settings.
    #[error("the saved state of the {owner} does not fit: {detail}")]
    State {
        /// Whose state, such as `optimiser`.
        owner: &'static str,
        /// What does not fit, and what to do.
        detail: String,
    },
    /// Logits and labels that cannot be compared.
    #[error("evaluation: {0}")]
    Evaluation(String),
    /// The configuration makes no sense.
    #[error("configuration: {0}")]
    Config(String),
    /// The folder of a run cannot be used.
    #[error("{}: {detail}", folder.display())]
    Run {
        /// The folder.
        folder: PathBuf,
        /// What is wrong and what to do.
        detail: String,
    },
    /// A file is no checkpoint of a run, or not of this one.
    #[error("{}: {detail}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file of a run cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The loss or the weights are no numbers any more.
    #[error(
        "training diverged: {what} became {value} in epoch {epoch}, step {step}, at a learning rate \
         of {learning_rate}. Train again and {advice}. What was saved before is untouched"
    )]
    NotFinite {
        /// What: `the loss`, `the validation loss` or `the weights`.
        what: &'static str,
        /// What it became.
        value: f64,
        /// From 1.
        epoch: u64,
        /// Step of the epoch, from 1.
        step: usize,
        /// Learning rate of that step.
        learning_rate: f64,
        /// What to change.
        advice: Advice,
    },
    /// Pictures that cannot be read.
    #[error("{}", broken(folder, pictures))]
    Broken {
        /// The data set.
        folder: PathBuf,
        /// What is wrong with each; the message names the file.
        pictures: Vec<String>,
    },
    /// The pictures cannot be read.
    #[error(transparent)]
    Data(#[from] dvm_data::Error),
    /// The network cannot be walked.
    #[error(transparent)]
    Engine(#[from] dvm_engine::Error),
}

/// Broken pictures that an error names.
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
    words += ". Repair or remove them, or leave them out (`on_broken = skip`)";
    words
}

impl Error {
    /// For `map_err` on calls of the file system.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
