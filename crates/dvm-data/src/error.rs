//! What can be wrong with a folder of pictures.

use std::path::PathBuf;

/// Why a data set could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A folder is not what it should be.
    #[error("{}: {detail}", path.display())]
    Layout {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong and what to do.
        detail: String,
    },
    /// A picture cannot be decoded.
    #[error(transparent)]
    Picture(#[from] dvm_image::Error),
    /// Preprocessing that no picture can go through.
    #[error(transparent)]
    Preprocess(#[from] dvm_image::PreprocessError),
    /// An augmentation with an option that makes no sense.
    #[error(transparent)]
    Augment(#[from] crate::augment::AugmentError),
}

impl Error {
    /// For `map_err` on calls of the file system.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
