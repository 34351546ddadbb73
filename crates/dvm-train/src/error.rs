//! What can go wrong in training.

use std::io;
use std::path::PathBuf;

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
    /// The loss is no number any more.
    #[error(
        "the loss became {loss} in epoch {epoch}, step {step}, at a learning rate of \
         {learning_rate}: try a tenth of it, or limit gradients (`clip = 1`); what was saved before \
         is untouched"
    )]
    NotFinite {
        /// The loss.
        loss: f64,
        /// From 1.
        epoch: u64,
        /// Step of the epoch, from 1.
        step: usize,
        /// Learning rate of the step before.
        learning_rate: f64,
    },
    /// The pictures cannot be read.
    #[error(transparent)]
    Data(#[from] dvm_data::Error),
    /// The network cannot be walked.
    #[error(transparent)]
    Engine(#[from] dvm_engine::Error),
}

impl Error {
    /// For `map_err` on calls of the file system.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
