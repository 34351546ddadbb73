//! What keeps a node from being taken over.

/// Why not; the walk adds which node it is.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It may be right, but this program cannot compute it. The walk goes on, to find all of these.
    Unsupported(String),
    /// The file is wrong.
    Invalid(String),
    /// The file asks for too much.
    TooLarge(String),
    /// An input is what another node would have computed that is not supported: that was told already.
    Hidden,
}

pub(crate) fn unsupported(detail: impl Into<String>) -> Trouble {
    Trouble::Unsupported(detail.into())
}

pub(crate) fn invalid(detail: impl Into<String>) -> Trouble {
    Trouble::Invalid(detail.into())
}
