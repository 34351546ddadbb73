//! Errors of reading weights.

use std::io;

pub use super::format::ForeignFormat;

/// Why a file of weights cannot be read. Every message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// An error of the operating system.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// The error.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{file}: not a file: give a .safetensors or .pth file")]
    NotAFile {
        /// The path.
        file: String,
    },
    /// The file has another format.
    #[error("{file}: {format}")]
    NotWeights {
        /// The file.
        file: String,
        /// The format.
        format: ForeignFormat,
    },
    /// The file is inconsistent.
    #[error(
        "{file}: damaged {format} file: {reason}; it may have been cut short or altered: fetch \
         or save it again"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Its format.
        format: &'static str,
        /// Where the inconsistency is.
        reason: String,
    },
    /// A tensor whose elements have no f32 value.
    #[error(
        "{file}: {tensor} has elements of type {element}, which cannot be read: save the \
         network in float32"
    )]
    Element {
        /// The file.
        file: String,
        /// The tensor, as `tensor 'name'`, as far as the file tells it.
        tensor: String,
        /// The element type, as the file calls it.
        element: String,
    },
    /// Python objects that cannot be read without running their code.
    #[error("{file}: holds {object}, which cannot be read without running its code: {advice}")]
    Code {
        /// The file.
        file: String,
        /// The objects, by class.
        object: String,
        /// How to save the weights instead.
        advice: &'static str,
    },
    /// A checkpoint without a dictionary of tensors: a lone tensor, a list, an object.
    #[error(
        "{file}: holds an object of type {found} in place of a dictionary of weights: save the \
         weights with torch.save(model.state_dict(), ...)"
    )]
    NotADictionary {
        /// The file.
        file: String,
        /// The type, as Python calls it.
        found: String,
    },
    /// A pickle that would run a program if Python loaded it. dvm does not run it.
    #[error(
        "{file}: names the function {function}, which weights never do: this file attacks \
         whoever loads it in Python; delete it"
    )]
    Attack {
        /// The file.
        file: String,
        /// The function.
        function: String,
    },
    /// The file needs more memory or work than its length allows.
    #[error(
        "{file}: refused: {claim}; if the file can be trusted, save its weights anew, alone and \
         uncompressed"
    )]
    Excessive {
        /// The file.
        file: String,
        /// What it needs, and the limit.
        claim: String,
    },
    /// A readable file without weights.
    #[error("{file}: holds no tensor: save the weights with torch.save(model.state_dict(), ...)")]
    NoTensors {
        /// The file.
        file: String,
    },
}
