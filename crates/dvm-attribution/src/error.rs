//! Why a map could not be made.

/// An error of an attribution method.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network could not be walked.
    #[error(transparent)]
    Network(#[from] dvm_engine::Error),
    /// A class that the network does not have.
    #[error("class {class} was asked for, but the network has {classes} (0 to {})", classes - 1)]
    Class {
        /// The index asked for.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// The network's answer is not a number, so no map of it can be trusted.
    #[error(
        "the network answers {what} with NaN or infinity; its weights are damaged or do not belong to this architecture"
    )]
    NotFinite {
        /// Which answer.
        what: String,
    },
    /// The network's numbers are not what they are taken for.
    #[error("the network's output {0}; say what its output means, or leave it to be found out")]
    Output(String),
    /// The method's settings do not go with this picture.
    #[error("{0}")]
    Unfit(String),
}
