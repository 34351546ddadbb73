//! Limits on the memory and work that a file may need, in proportion to its length.
//!
//! Compressed entries, views that repeat one value and sparse tar entries can describe much more data than
//! the file has. The limits keep the cost of a small file small.

use std::io;

/// A problem with a file.
pub(super) enum Objection {
    /// Unreadable; the reason.
    Damaged(String),
    /// More than the file's length allows; the text states the need and the limit.
    Excessive(String),
    /// Another kind of archive.
    Foreign(&'static str),
    /// It names a function that runs programs.
    Attack(String),
    /// Elements that have no f32 value.
    Element {
        /// The tensor.
        tensor: String,
        /// The type of its elements.
        element: String,
    },
    /// A tensor that was pickled without `torch.save`: its values are not in a storage of the file.
    Alone,
    /// An error of the operating system.
    Io(io::Error),
}

impl From<io::Error> for Objection {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            _ if error.raw_os_error().is_some() => Self::Io(error),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// The most bytes that a file of `length` bytes may need once it is unpacked and converted: 16 times its
/// length and 16 MiB, at most 16 GiB. A genuine checkpoint needs less than 8 times its length (bytes or
/// booleans as f32, twice under two names).
fn allowance(length: u64) -> u64 {
    length
        .saturating_mul(16)
        .saturating_add(16 << 20)
        .min(16 << 30)
}

/// The most dimensions of a tensor. Networks have fewer, and each one costs time.
pub(super) const MOST_DIMENSIONS: usize = 16;

/// Refuses tensors with more than [`MOST_DIMENSIONS`] dimensions.
pub(super) fn rank(name: &str, shape: &[usize]) -> Result<(), Objection> {
    if shape.len() <= MOST_DIMENSIONS {
        return Ok(());
    }
    Err(too_many_dimensions(name, shape.len()))
}

pub(super) fn too_many_dimensions(name: &str, count: usize) -> Objection {
    Objection::Excessive(format!(
        "tensor '{name}' has {count} dimensions; the limit is {MOST_DIMENSIONS}"
    ))
}

/// Refuses `what` if it needs more bytes than the file's length allows.
pub(super) fn claim(what: &str, bytes: u64, length: u64) -> Result<(), Objection> {
    let allowed = allowance(length);
    if bytes <= allowed {
        return Ok(());
    }
    Err(Objection::Excessive(format!(
        "{what} needs {bytes} bytes; the limit for a file of {length} bytes is {allowed}"
    )))
}
