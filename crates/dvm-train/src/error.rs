//! What can go wrong in training.

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
    /// The network cannot be walked.
    #[error(transparent)]
    Engine(#[from] dvm_engine::Error),
}
