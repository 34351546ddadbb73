//! Errors of attribution methods.

/// An error of an attribution method.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network could not be run.
    #[error(transparent)]
    Network(#[from] dvm_engine::Error),
    /// A class that the network does not have.
    #[error("class {class} does not exist: the network has {classes} classes (0 to {})", classes - 1)]
    Class {
        /// The requested index.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// The network's output is not finite, so no map of it is valid.
    #[error(
        "the network outputs NaN or infinity for {what}; its weights are damaged or do not belong \
         to this architecture"
    )]
    NotFinite {
        /// For which input.
        what: String,
    },
    /// The network's output is not of the kind that was set.
    #[error("the network's output {0}; set the correct kind of output, or leave it to be detected")]
    Output(String),
    /// The method's settings do not fit this network or picture.
    #[error("{0}")]
    Unfit(String),
}
