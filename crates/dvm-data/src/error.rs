//! The errors of this crate.

use std::path::PathBuf;

use crate::formats::FormatError;

/// Why a data set cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file or folder does not have the expected layout.
    #[error("{}: {detail}", path.display())]
    Layout {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong and what to do.
        detail: String,
    },
    /// An entry of a file of boxes or masks is invalid.
    #[error("{}: {entry}: {detail}", path.display())]
    Region {
        /// The file or folder.
        path: PathBuf,
        /// The entry, such as `annotations[17]`.
        entry: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A folder has no splits in it.
    #[error(
        "{} has no folder `train`, `val` or `test`; `dvm prepare folder` makes them from one folder per class",
        path.display()
    )]
    NotSplit {
        /// The folder.
        path: PathBuf,
    },
    /// The folder contains another data set, or a damaged one.
    #[error("{} {detail}; replace it, or choose another folder", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
        /// What it contains.
        detail: String,
    },
    /// The disk is full.
    #[error(
        "{}: the disk is full; dvm removed the unfinished data set; free some space, choose another disk, or \
         link the pictures instead of copying them",
        path.display()
    )]
    Full {
        /// The folder of the data set.
        path: PathBuf,
    },
    /// An option has an invalid value.
    #[error(transparent)]
    Setting(#[from] dvm_options::SettingError),
    /// The caller stopped the work.
    #[error("{}: stopped; dvm removed the unfinished data set", path.display())]
    Stopped {
        /// The folder of the data set.
        path: PathBuf,
    },
    /// A file of arrays or slices cannot be read.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: FormatError,
    },
    /// A picture cannot be decoded.
    #[error(transparent)]
    Picture(#[from] dvm_image::Error),
    /// The preprocessing is invalid.
    #[error(transparent)]
    Preprocess(#[from] dvm_image::PreprocessError),
    /// An option of an augmentation is invalid.
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
