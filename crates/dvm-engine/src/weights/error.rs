//! Errors of reading weights.

use std::io;

pub use super::format::ForeignFormat;

/// Why a file of weights cannot be read. Every message names the file and the next step.
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
        "{file}: damaged {format} file: {reason}; the file may be incomplete or altered: fetch or save it \
         again"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Its format.
        format: &'static str,
        /// The inconsistency.
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
        /// The tensor, as `tensor 'name'`, if the file names it.
        tensor: String,
        /// The element type, with the file's name for it.
        element: String,
    },
    /// Python objects that cannot be read without running their code.
    #[error("{file}: contains {object}, which cannot be read without running its code: {advice}")]
    Code {
        /// The file.
        file: String,
        /// The objects, by class.
        object: String,
        /// How to save the weights instead.
        advice: &'static str,
    },
    /// A checkpoint without a dictionary of tensors: a single tensor, a list, an object.
    #[error(
        "{file}: contains an object of type {found} in place of a dictionary of weights: save the \
         weights with torch.save(model.state_dict(), ...)"
    )]
    NotADictionary {
        /// The file.
        file: String,
        /// The type, with Python's name for it.
        found: String,
    },
    /// A pickle that would run a program if Python loaded it. dvm does not run it.
    #[error(
        "{file}: names the function {function}, which weights never do: the file attacks anyone who loads \
         it in Python; delete it"
    )]
    Attack {
        /// The file.
        file: String,
        /// The function.
        function: String,
    },
    /// The file needs more memory or work than its length allows.
    #[error(
        "{file}: refused: {claim}; if you trust the file, save its weights again, without other contents and \
         uncompressed"
    )]
    Excessive {
        /// The file.
        file: String,
        /// The need and the limit.
        claim: String,
    },
    /// A readable file without weights.
    #[error(
        "{file}: contains no tensor: save the weights with torch.save(model.state_dict(), ...)"
    )]
    NoTensors {
        /// The file.
        file: String,
    },
}
