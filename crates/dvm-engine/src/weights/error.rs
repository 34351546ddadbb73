//! What can go wrong while weights are read.

use std::io;

pub use super::format::ForeignFormat;

/// Why a file of weights could not be read. Every message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The operating system refused.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{file}: not a file: give a .safetensors or .pth file")]
    NotAFile {
        /// The path.
        file: String,
    },
    /// The file is of another kind.
    #[error("{file}: {format}")]
    NotWeights {
        /// The file.
        file: String,
        /// What it is instead.
        format: ForeignFormat,
    },
    /// The file contradicts itself.
    #[error(
        "{file}: damaged {format} file: {reason}; it may have been cut short or altered: fetch \
         or save it again"
    )]
    Damaged {
        /// The file.
        file: String,
        /// What it looked like at first.
        format: &'static str,
        /// Where it breaks off.
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
    /// Python objects that only their own code could turn into weights.
    #[error("{file}: holds {object}, which cannot be read without running its code: {advice}")]
    Code {
        /// The file.
        file: String,
        /// The objects, by class.
        object: String,
        /// How to save the weights instead.
        advice: &'static str,
    },
    /// A checkpoint of something else than named tensors: a lone tensor, a list, an object.
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
    /// A pickle that would run a program if Python loaded it. Nothing was run.
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
    /// The file asks for more memory or work than its length justifies.
    #[error(
        "{file}: refused: {claim}; if the file can be trusted, save its weights anew, alone and \
         uncompressed"
    )]
    Excessive {
        /// The file.
        file: String,
        /// What it asks for, and the limit.
        claim: String,
    },
    /// A readable file without weights.
    #[error("{file}: holds no tensor: save the weights with torch.save(model.state_dict(), ...)")]
    NoTensors {
        /// The file.
        file: String,
    },
}
