//! What can be wrong with a folder of pictures.

use std::path::PathBuf;

use crate::formats::FormatError;

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
    /// An entry of a file of boxes or masks makes no sense.
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
        "{}: has no folder `train`, `val` or `test`; `dvm prepare folder` makes them from one folder \
         per class",
        path.display()
    )]
    NotSplit {
        /// The folder.
        path: PathBuf,
    },
    /// There is no room for what is to be written.
    #[error(
        "{}: the disk is full, and what was written of it was removed again; free some space, choose \
         another disk, or have nothing copied (--link hard or manifest)",
        path.display()
    )]
    Full {
        /// The folder that was to be written.
        path: PathBuf,
    },
    /// An option has a value that it does not take.
    #[error(transparent)]
    Setting(#[from] dvm_options::SettingError),
    /// The work was stopped before its end, as was asked.
    #[error("{}: stopped before it was whole; nothing of it is left", path.display())]
    Stopped {
        /// The folder that would have been made.
        path: PathBuf,
    },
    /// A file of arrays or slices is not read.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: FormatError,
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
