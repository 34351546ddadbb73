//! Errors of files of arrays and slices.

/// Why a file cannot be read. [`Error::Format`](crate::Error) adds the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file contradicts itself or ends too early.
    #[error("the {format} file is damaged: {detail}; download or save it again")]
    Damaged {
        /// The format that it starts with.
        format: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A pickle with a class or function that arrays do not need. Nothing was run.
    #[error(
        "contains `{name}`, which dvm does not run: it reads only arrays, lists, numbers and texts. If you \
         trust the file, save it in Python as a plain array: numpy.save(…, numpy.asarray(…))"
    )]
    Code {
        /// The class or function.
        name: String,
    },
    /// The file needs more memory or work than allowed.
    #[error("is too large: {claim}")]
    Excessive {
        /// What it needs, and the limit.
        claim: String,
    },
    /// The file is of a kind that is not supported.
    #[error("contains {what}, which is not supported: {advice}")]
    Unsupported {
        /// What it contains.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// A format that this build does not read.
    #[error(
        "this build of dvm does not read {format} files; build it with the cargo feature `medical`, which is on \
         by default"
    )]
    NotBuilt {
        /// The format.
        format: &'static str,
    },
    /// A slice with an infinity or NaN.
    #[error(
        "slice {slice} contains {value} at row {row}, column {column}; all values must be finite"
    )]
    NotFinite {
        /// The slice, from 0.
        slice: usize,
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: String,
    },
}
