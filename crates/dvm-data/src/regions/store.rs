//! Entries of a file or folder, with their objects.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::files;
use super::key::Key;
use super::shape::Object;
use crate::Error;

/// The entries of a file or a folder.
pub(super) trait Store: Send + Sync {
    /// The entry of this index, for a picture of so many rows and columns.
    fn describe(&self, index: usize, size: (usize, usize)) -> Result<Described<'_>, Error>;

    /// The name of an entry, such as `images[3]`.
    fn name(&self, index: usize) -> String;

    /// The name of its object of this index, such as `annotations[17]`.
    fn name_of_object(&self, index: usize, object: &Object) -> String;
}

/// An entry.
pub(super) struct Described<'a> {
    /// Rows and columns of the picture, if the entry gives them.
    pub(super) size: Option<(usize, usize)>,
    /// The objects.
    pub(super) objects: Cow<'a, [Object]>,
}

/// One file per picture, read when it is needed.
pub(super) struct Files {
    folder: PathBuf,
    files: Vec<PathBuf>,
    read: Read,
}

/// Reads the file of a picture of so many rows and columns.
pub(super) type Read = fn(&Path, (usize, usize)) -> Result<Described<'static>, Error>;

impl Files {
    /// These files of a folder. Each is for the picture with its name, in the folder of the same name.
    pub(super) fn open(
        folder: &Path,
        files: Vec<PathBuf>,
        read: Read,
    ) -> Result<(Vec<Key>, Box<dyn Store>), Error> {
        let key = |file: &PathBuf| {
            Key::without_ending(file).ok_or_else(|| Error::Layout {
                path: folder.join(file),
                detail: "has a name that is not UTF-8".into(),
            })
        };
        let keys = files.iter().map(key).collect::<Result<_, _>>()?;
        let folder = folder.to_owned();
        let store = Self {
            folder,
            files,
            read,
        };
        Ok((keys, Box::new(store)))
    }
}

impl Store for Files {
    fn describe(&self, index: usize, size: (usize, usize)) -> Result<Described<'_>, Error> {
        (self.read)(&self.folder.join(&self.files[index]), size)
    }

    fn name(&self, index: usize) -> String {
        files::shown(&self.files[index])
    }

    fn name_of_object(&self, index: usize, object: &Object) -> String {
        format!("{}, object {}", self.name(index), object.index + 1)
    }
}
