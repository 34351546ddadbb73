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
    /// The network cannot be written as the file that was asked for.
    #[error(transparent)]
    Export(#[from] dvm_zoo::ExportError),
    /// The network has no weights here.
    #[error(
        "no weights of {architecture} are on this machine: `dvm models fetch {architecture}` brings \
         {published}; or give a weight file, or choose a network that comes with the program: {embedded}"
    )]
    NoWeights {
        /// Name of the architecture.
        architecture: &'static str,
        /// The published file's name.
        published: &'static str,
        /// Networks that are embedded, separated by commas.
        embedded: String,
    },
    /// Published weights could not be fetched.
    #[error(transparent)]
    Fetch(#[from] dvm_fetch::FetchError),
    /// Fetched weights are not what they were.
    #[error("{source}; `dvm models fetch {architecture}` brings them anew")]
    Damaged {
        /// Name of the architecture.
        architecture: &'static str,
        /// Which file, and what is wrong with it.
        source: dvm_fetch::FetchError,
    },
    /// The network cannot be run on this picture.
    #[error(transparent)]
    Network(#[from] dvm_engine::Error),
    /// The network's answer is no number.
    #[error(
        "the network answers with NaN or infinity: the weights in {weights} are damaged or do not \
         belong to {model}"
    )]
    NotFinite {
        /// The weight file.
        weights: String,
        /// Name of the network.
        model: String,
    },
    /// The network's numbers for a picture are not what they are taken for.
    #[error("{weights}: the network's output {detail}")]
    Output {
        /// The weight file.
        weights: String,
        /// What is wrong, as the end of the sentence.
        detail: String,
    },
    /// The network's gradient is wrong, so no map can be made of it.
    #[error("{weights}: {source}")]
    Gradient {
        /// The weight file.
        weights: String,
        /// What was compared.
        source: dvm_engine::Error,
    },
    /// The picture's crop is too large for the network to be run on it.
    #[error(
        "a crop of {height}×{width} pixels takes {mebibytes} MiB to classify; choose a smaller one"
    )]
    TooLarge {
        /// Rows of the crop.
        height: usize,
        /// Columns of the crop.
        width: usize,
        /// What activations would take.
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
    /// An option of a method has a value it does not take.
    #[error(transparent)]
    Setting(#[from] dvm_options::SettingError),
    /// The pictures of a data set cannot be used.
    #[error(transparent)]
    Data(#[from] dvm_data::Error),
    /// Training cannot begin or go on.
    #[error(transparent)]
    Training(#[from] dvm_train::Error),
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
    /// A folder holds something that must not be replaced.
    #[error("{} {detail}", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What it holds, and what to do.
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
    /// Whether nothing else can be saved either: the disk of the results is full, or must not be
    /// written to.
    pub fn is_of_disk(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let Self::Save { source, .. } = self else {
            return false;
        };
        matches!(
            source.kind(),
            StorageFull | QuotaExceeded | ReadOnlyFilesystem
        )
    }
}

/// The words, which are those of the error or begin with them, with all causes of the error, each said once.
pub fn with_causes(mut words: String, error: &dyn std::error::Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        if !words.contains(&why) {
            words = format!("{words}: {why}");
        }
        cause = error.source();
    }
    words
}
