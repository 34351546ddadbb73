//! Errors of the engine as Python's exceptions.

use std::io;

use pyo3::exceptions::{PyFileNotFoundError, PyPermissionError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// The module of the exceptions.
const MODULE: &str = "dvm.errors";

/// The exception for an error, with its text and those of its causes.
pub fn exception(py: Python<'_>, error: &dvm::Error) -> PyErr {
    let words = dvm::with_causes(error.to_string(), error);
    match source_kind(error) {
        Some(io::ErrorKind::NotFound) => return PyFileNotFoundError::new_err(words),
        Some(io::ErrorKind::PermissionDenied) => return PyPermissionError::new_err(words),
        _ => {}
    }
    named(py, class(error), words)
}

/// The class of `dvm.errors` for an error.
fn class(error: &dvm::Error) -> &'static str {
    use dvm::Error as E;
    if error.is_of_device() {
        return "DeviceError";
    }
    match error {
        E::Picture(_) => "PictureError",
        E::Load(_)
        | E::Export(_)
        | E::NoWeights { .. }
        | E::Fetch(_)
        | E::Damaged { .. }
        | E::NotFinite { .. }
        | E::Output { .. }
        | E::Gradient { .. } => "ModelError",
        E::Network(_) | E::Method { .. } => "MethodError",
        E::TooLarge { .. } => "TooLargeError",
        E::Data(_) | E::Training(_) | E::File { .. } => "DataError",
        E::Save { .. } | E::Occupied { .. } => "SaveError",
        _ => "UsageError",
    }
}

/// The kind of the operating system's error, if a file could not be read.
fn source_kind(error: &dvm::Error) -> Option<io::ErrorKind> {
    if matches!(error, dvm::Error::Save { .. }) {
        return None;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    match error {
        dvm::Error::Picture(dvm::PictureError::Unreadable { reason, .. }) => Some(reason.kind()),
        _ => None,
    }
}

/// An exception of `dvm.errors`.
fn named(py: Python<'_>, class: &str, words: String) -> PyErr {
    let made = || {
        let class = py.import(MODULE)?.getattr(class)?;
        class.call1((words,))
    };
    match made() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// An invalid argument.
pub fn usage(py: Python<'_>, words: impl Into<String>) -> PyErr {
    named(py, "UsageError", words.into())
}

/// The exception for a keyword argument that does not take a value.
pub fn option(py: Python<'_>, option: &str, value: &str, why: &str) -> PyErr {
    usage(py, format!("`{option}` does not take `{value}`: {why}"))
}

/// An argument with an invalid shape or type.
pub fn value(words: impl Into<String>) -> PyErr {
    PyValueError::new_err(words.into())
}

/// An operation that is not possible in this process.
pub fn state(words: impl Into<String>) -> PyErr {
    PyRuntimeError::new_err(words.into())
}
