//! Why a node cannot be imported.

/// Why; the walk adds the node. Details are predicates of the node: "has …", "needs …".
#[derive(Debug)]
pub(crate) enum NodeError {
    /// It may be valid, but dvm does not support it. The walk continues, to report all such nodes.
    Unsupported(String),
    /// The file is wrong.
    Invalid(String),
    /// The file needs more than a limit allows.
    TooLarge(String),
    /// An input is the output of a node that is not supported, which was reported already.
    Reported,
}

/// The result of importing a node, or a part of it.
pub(crate) type Result<T, E = NodeError> = std::result::Result<T, E>;

pub(crate) fn unsupported(detail: impl Into<String>) -> NodeError {
    NodeError::Unsupported(detail.into())
}

pub(crate) fn invalid(detail: impl Into<String>) -> NodeError {
    NodeError::Invalid(detail.into())
}
