//! The record of a prepared data set.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::prepare::Transfer;
use crate::{Error, Split};

/// The file in a data set's folder that describes it. With [`Transfer::Manifest`] it is the only file.
pub const RECORD: &str = "dvm-dataset.json";

/// Largest record. A million pictures take a tenth of this.
const MOST_BYTES: u64 = 1 << 30;

/// The version of the file's format.
const FORMAT: u32 = 1;

/// The description of a prepared data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this file's format.
    pub(crate) format: u32,
    /// Name of the corpus.
    pub corpus: String,
    /// The settings.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// How the pictures were transferred.
    pub transfer: Transfer,
    /// SHA-256 of the names and bytes of all pictures.
    pub sha256: String,
    /// Number of files and folders of the source that are in no split, by reason.
    #[serde(default)]
    pub left_out: BTreeMap<String, usize>,
    /// Names of the classes, sorted.
    pub classes: Vec<String>,
    /// For each split and class the file names, or in a manifest the paths of the pictures. Relative paths
    /// start at the manifest's folder.
    pub splits: BTreeMap<Split, BTreeMap<String, Vec<String>>>,
}

impl Record {
    /// A record of this version.
    pub(super) fn new(corpus: &str, transfer: Transfer, sha256: String) -> Self {
        Self {
            format: FORMAT,
            corpus: corpus.into(),
            settings: BTreeMap::new(),
            transfer,
            sha256,
            left_out: BTreeMap::new(),
            classes: Vec::new(),
            splits: BTreeMap::new(),
        }
    }

    /// The record in a folder, if it has one.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, [`Error::Layout`] if it is not a record, or of a later version.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(RECORD);
        let file = match File::open(&path) {
            Ok(file) => file,
            // A missing folder is reported later.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(Error::file(path)(error)),
        };
        let reader = BufReader::new(file.take(MOST_BYTES));
        let record: Self = serde_json::from_reader(reader).map_err(|error| {
            if error.is_io() {
                return Error::file(path.clone())(error.into());
            }
            Error::Layout {
                path: path.clone(),
                detail: format!("is not the record of a data set: {error}"),
            }
        })?;
        record.check(&path)?;
        Ok(Some(record))
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        let fail = |detail: String| {
            Err(Error::Layout {
                path: path.into(),
                detail,
            })
        };
        if self.format != FORMAT {
            return fail(format!(
                "has format version {}; this version of dvm reads version {FORMAT}",
                self.format
            ));
        }
        if !self.classes.is_sorted_by(|a, b| a < b) {
            return fail(
                "lists a class twice, or the classes are not in alphabetical order".into(),
            );
        }
        for (split, classes) in &self.splits {
            for class in classes.keys() {
                if self.classes.binary_search(class).is_err() {
                    let split = split.name();
                    return fail(format!(
                        "lists pictures of class `{class}` in {split}, but not the class itself"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Number of pictures of a split, by class in the order of [`Record::classes`].
    pub fn counts(&self, split: Split) -> Vec<usize> {
        let of = self.splits.get(&split);
        let count = |class| of.and_then(|of| of.get(class)).map_or(0, Vec::len);
        self.classes.iter().map(count).collect()
    }

    /// Total number of pictures.
    pub fn pictures(&self) -> usize {
        let classes = self.splits.values().flat_map(BTreeMap::values);
        classes.map(Vec::len).sum()
    }

    /// The paths of the pictures of a class in a split, for a record in `folder`.
    pub(crate) fn paths(&self, folder: &Path, split: Split, class: &str) -> Vec<PathBuf> {
        let names = self.splits.get(&split).and_then(|of| of.get(class));
        let base = match self.transfer {
            Transfer::Manifest => folder.to_owned(),
            Transfer::Copy | Transfer::Hard => folder.join(split.name()).join(class),
        };
        let names = names.into_iter().flatten();
        names.map(|name| base.join(name)).collect()
    }

    /// The bytes of its file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a record is plain data");
        bytes.push(b'\n');
        bytes
    }
}
