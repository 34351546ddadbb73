//! What can be wrong with a file of arrays or slices.

/// Why a file is not read. The file's name stands before it, in [`Error::Format`](crate::Error).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file contradicts itself or ends too early.
    #[error(
        "damaged {format} file: {detail}; it may have been cut short or altered: fetch or save it again"
    )]
    Damaged {
        /// What it looked like at first.
        format: &'static str,
        /// Where it breaks off.
        detail: String,
    },
    /// A pickle that names a class or function which arrays do without. Nothing was run.
    #[error(
        "names `{name}`, which is not run: only arrays, lists, numbers and texts are read. If you \
         trust the file, save it in Python as a plain array: numpy.save(…, numpy.asarray(…))"
    )]
    Code {
        /// The class or function.
        name: String,
    },
    /// More memory or work than the file's length justifies.
    #[error("refused: {claim}")]
    Excessive {
        /// What it asks for, and the limit.
        claim: String,
    },
    /// Whole, but of a kind that is not read.
    #[error("holds {what}, which is not read: {advice}")]
    Unsupported {
        /// What it holds.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// A slice with a value that is no number or infinite.
    #[error("slice {slice} holds {value} at row {row}, column {column}; slices must be finite")]
    NotFinite {
        /// Which slice, from 0.
        slice: usize,
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// What stands there.
        value: String,
    },
}
