//! Errors of this crate.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use crate::system_words::{system_words, without_system_text};

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
    /// The network cannot be written in this file format.
    #[error(transparent)]
    Export(#[from] dvm_zoo::ExportError),
    /// There are no weights of the network on this machine.
    #[error(
        "there are no weights of {architecture} on this machine; download {published} with `dvm models fetch \
         {architecture}`, give a weight file, or choose a network that comes with dvm: {embedded}"
    )]
    NoWeights {
        /// Name of the architecture.
        architecture: &'static str,
        /// The published file's name.
        published: &'static str,
        /// Networks that are embedded in dvm, separated by commas.
        embedded: String,
    },
    /// Published weights with this tag are not on this machine.
    #[error(
        "the weights {tag} of {architecture} are not on this machine; download them with `dvm models fetch \
         {architecture}` and their tag"
    )]
    NotDownloaded {
        /// Name of the architecture.
        architecture: &'static str,
        /// The tag.
        tag: &'static str,
    },
    /// Published weights could not be downloaded.
    #[error(transparent)]
    Fetch(#[from] dvm_fetch::FetchError),
    /// Downloaded weights have changed since.
    #[error("{source}; download them again with `dvm models fetch {architecture}`")]
    Damaged {
        /// Name of the architecture.
        architecture: &'static str,
        /// The file, and what is wrong with it.
        source: dvm_fetch::FetchError,
    },
    /// There is no such GPU, or networks cannot be computed on it. The message says what to do.
    #[error("{0}")]
    Device(String),
    /// The network cannot be run on this picture.
    #[error(transparent)]
    Network(#[from] dvm_engine::Error),
    /// The network's output is NaN or infinite.
    #[error(
        "the output of the network contains NaN or infinity; the weights in {weights} are damaged or do not \
         belong to {model}"
    )]
    NotFinite {
        /// The weight file.
        weights: String,
        /// Name of the network.
        model: String,
    },
    /// The network's output for a picture is not what dvm assumes it to be, such as probabilities.
    #[error("{weights}: the network's output {detail}")]
    Output {
        /// The weight file.
        weights: String,
        /// What is wrong, as the end of the sentence.
        detail: String,
    },
    /// The network's gradient is wrong, so maps made from it would be wrong.
    #[error("{weights}: {source}")]
    Gradient {
        /// The weight file.
        weights: String,
        /// The values that were compared.
        source: dvm_engine::Error,
    },
    /// The crop is too large: the network would need too much memory.
    #[error(
        "classifying a crop of {height} × {width} pixels needs {mebibytes} MiB; the limit is {limit} MiB; choose \
         a smaller crop",
        limit = crate::classifier::MOST >> 20
    )]
    TooLarge {
        /// Rows of the crop.
        height: usize,
        /// Columns of the crop.
        width: usize,
        /// Memory for the activations, in MiB.
        mebibytes: usize,
    },
    /// A method could not make its map.
    #[error("{method}: {source}")]
    Method {
        /// Name of the method.
        method: &'static str,
        /// Why.
        source: dvm_attribution::Error,
    },
    /// An option has an invalid value.
    #[error(transparent)]
    Setting(#[from] dvm_options::SettingError),
    /// The pictures of a data set cannot be used.
    #[error(transparent)]
    Data(#[from] dvm_data::Error),
    /// Training cannot start or continue.
    #[error(transparent)]
    Training(#[from] dvm_train::Error),
    /// The request is invalid: a name does not exist, or options cannot be combined.
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
    /// A folder contains files that must not be replaced.
    #[error("{} {detail}", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What it contains, and what to do.
        detail: String,
    },
    /// A result cannot be saved.
    #[error("cannot write {}: {}", path.display(), system_words(source))]
    Save {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl Error {
    /// The error of writing to `path`.
    pub(crate) fn save(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Save { path, source }
    }

    /// Whether a GPU is the reason: it does not exist, it failed, or it does not have enough memory.
    pub fn is_of_device(&self) -> bool {
        use dvm_engine::Error::{Device, DeviceMemory};
        match self {
            Self::Device(_) | Self::Training(dvm_train::Error::DeviceMemory { .. }) => true,
            _ => matches!(self.of_engine(), Some(Device { .. } | DeviceMemory { .. })),
        }
    }

    /// Whether nothing else can be computed either, because the GPU failed.
    pub fn is_of_lost_device(&self) -> bool {
        matches!(self.of_engine(), Some(dvm_engine::Error::Device { .. }))
    }

    /// The error of the engine that is the reason.
    fn of_engine(&self) -> Option<&dvm_engine::Error> {
        match self {
            Self::Network(error) | Self::Training(dvm_train::Error::Engine(error)) => Some(error),
            Self::Method {
                source: dvm_attribution::Error::Network(error),
                ..
            } => Some(error),
            _ => None,
        }
    }

    /// Whether no other file can be saved either, because the disk is full or read-only.
    pub fn is_of_disk(&self) -> bool {
        use ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let Self::Save { source, .. } = self else {
            return false;
        };
        matches!(
            source.kind(),
            StorageFull | QuotaExceeded | ReadOnlyFilesystem
        )
    }
}

/// Adds all causes of the error to `words`, which start with the error's own text. No cause is repeated, and errors of
/// the operating system are in plain words.
pub fn with_causes(mut words: String, error: &dyn std::error::Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error
            .downcast_ref()
            .map_or_else(|| error.to_string(), system_words);
        if !words.contains(&why) {
            words = format!("{words}: {why}");
        }
        cause = error.source();
    }
    without_system_text(words)
}
