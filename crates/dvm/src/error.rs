//! What can go wrong between a photo and its explanation.

use std::path::PathBuf;

/// An error of this crate; the message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The picture cannot be read.
    #[error(transparent)]
    Picture(#[from] dvm_image::Error),
    /// The network cannot be loaded.
    #[error(transparent)]
    Load(#[from] dvm_zoo::LoadError),
    /// The network cannot be run on this picture.
    #[error(transparent)]
    Network(#[from] dvm_engine::Error),
    /// A method could not make its map.
    #[error("{method}: {source}")]
    Method {
        /// Name of the method.
        method: &'static str,
        /// Why.
        source: dvm_attribution::Error,
    },
    /// An option of a method has a value it does not take.
    #[error(transparent)]
    Setting(#[from] dvm_attribution::SettingError),
    /// What was asked for does not exist or does not go together.
    #[error("{0}")]
    Usage(String),
    /// A file with class names or preprocessing cannot be used.
    #[error("{}: {detail}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A result cannot be saved.
    #[error("cannot write {}: {source}", path.display())]
    Save {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the request itself was wrong, so that no picture could have been explained.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::Setting(_) | Self::File { .. })
    }
}
