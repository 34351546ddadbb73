//! A data set: classes, and labelled pictures in splits.

mod layout;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::prepare::{Record, Transfer};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Pictures that the network is trained on.
    Train,
    /// Pictures that are evaluated after each epoch, to choose the best weights.
    Val,
    /// Pictures for the final evaluation.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The name of its folder.
    pub fn name(self) -> &'static str {
        self.folder_names()[0]
    }

    /// Usual names of its folder, in lower case. The first is the one that dvm writes.
    pub fn folder_names(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train", "training", "trn", "tr"],
            Self::Val => &["val", "valid", "validation", "validate", "dev", "devel"],
            Self::Test => &["test", "testing", "tst", "holdout"],
        }
    }

    /// The split of a folder with this name, in upper or lower case.
    pub fn of_folder(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let mut all = Self::ALL.into_iter();
        all.find(|split| split.folder_names().contains(&&name[..]))
    }
}

/// A picture with its class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// The picture's file.
    pub path: PathBuf,
    /// Index of its class in [`Dataset::classes`].
    pub class: usize,
}

/// Classes, and for each split the pictures with their class, by class and then by file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The folder it was read from.
    pub folder: PathBuf,
    /// Names of the classes, in alphabetical order.
    pub classes: Vec<String>,
    /// Messages about what was ignored: folders that are not splits, folders without pictures.
    pub(crate) left_out: Vec<String>,
    pub(crate) samples: [Vec<Sample>; 3],
}

impl Dataset {
    /// Reads the layout `train/<class>/<picture>`, `val/…`, `test/…`, or a manifest that `dvm prepare` wrote.
    /// One split is enough, and other usual names such as `valid` are known. Files without the extension of
    /// a picture are ignored; [`Dataset::remarks`] names ignored folders.
    ///
    /// If `dvm prepare` is killed, it leaves no such folder: it writes to a folder with another name first.
    ///
    /// # Errors
    /// [`Error::NotSplit`] for a folder without splits and manifest, [`Error::Layout`] if a split has a class
    /// that `train` does not have, two folders are the same split, or no class has pictures; [`Error::File`]
    /// for a folder that cannot be read.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        match Record::read(folder)? {
            Some(record) if record.transfer == Transfer::Manifest => {
                Ok(Self::of_manifest(folder, record))
            }
            _ => layout::split(folder),
        }
    }

    /// Reads one folder per class. All pictures are in `train`.
    ///
    /// # Errors
    /// [`Error::Layout`] if there is no class folder, [`Error::File`] for a folder that cannot be read.
    pub fn open_unsplit(folder: &Path) -> Result<Self, Error> {
        layout::unsplit(folder)
    }

    fn of_manifest(folder: &Path, record: Record) -> Self {
        let samples = Split::ALL.map(|split| {
            let classes = record.classes.iter().enumerate();
            let of = classes.flat_map(|(class, name)| {
                let paths = record.paths(folder, split, name).into_iter();
                paths.map(move |path| Sample { path, class })
            });
            of.collect()
        });
        Self {
            folder: folder.into(),
            classes: record.classes,
            left_out: Vec::new(),
            samples,
        }
    }

    /// The pictures of a split; empty if it does not exist.
    pub fn samples(&self, split: Split) -> &[Sample] {
        &self.samples[split as usize]
    }

    /// Number of pictures of each class in a split.
    pub fn counts(&self, split: Split) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for sample in self.samples(split) {
            counts[sample.class] += 1;
        }
        counts
    }

    /// Problems that can spoil training or evaluation: ignored folders, a single class, classes without
    /// pictures in a split, no validation pictures.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = self.left_out.clone();
        if let [only] = &self.classes[..] {
            remarks.push(format!(
                "there is only one class, `{only}`, so a network cannot learn to tell classes apart"
            ));
        }
        for split in Split::ALL {
            if self.samples(split).is_empty() {
                continue;
            }
            let counts = self.counts(split).into_iter().zip(&self.classes);
            let without = counts.filter(|(count, _)| *count == 0);
            let without: Vec<&str> = without.map(|(_, class)| &class[..]).collect();
            if !without.is_empty() {
                let what = match split {
                    Split::Train => "the network does not learn them",
                    Split::Val | Split::Test => "nothing is measured on them",
                };
                remarks.push(format!(
                    "`{}` has no pictures of {}, so {what}",
                    split.name(),
                    names(&without)
                ));
            }
        }
        if self.samples(Split::Val).is_empty() && !self.samples(Split::Train).is_empty() {
            remarks.push(
                "there are no validation pictures, so the accuracy of the network cannot be measured".into(),
            );
        }
        remarks
    }
}

/// The first names of a list, for messages.
pub(crate) fn names(all: &[&str]) -> String {
    const SHOWN: usize = 10;
    let shown = all[..all.len().min(SHOWN)].join("`, `");
    match all.len().saturating_sub(SHOWN) {
        0 => format!("`{shown}`"),
        more => format!("`{shown}` and {more} more"),
    }
}

/// The files and folders in a folder, sorted, without hidden ones.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let entry = entry.map_err(Error::file(folder))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_the_folders_of_train_and_samples_are_sorted() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "train/b/2.png",
            "train/b/1.png",
            "train/a/x.png",
            "val/b/.hidden.png",
            "val/b/notes.txt",
            "val/b/v.png",
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let data = Dataset::open(folder.path()).unwrap();
        assert_eq!(data.classes, ["a", "b"]);
        let names = |split| -> Vec<(String, usize)> {
            let samples: &[Sample] = data.samples(split);
            let name = |s: &Sample| s.path.file_name().unwrap().to_str().unwrap().to_owned();
            samples.iter().map(|s| (name(s), s.class)).collect()
        };
        let expected = [("x.png", 0), ("1.png", 1), ("2.png", 1)];
        assert_eq!(
            names(Split::Train),
            expected.map(|(n, c)| (n.to_owned(), c))
        );
        assert_eq!(names(Split::Val), [("v.png".to_owned(), 1)]);
        assert_eq!(names(Split::Test), []);
    }

    #[test]
    fn a_class_that_only_validation_has_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for class in ["train/a", "val/c"] {
            fs::create_dir_all(folder.path().join(class)).unwrap();
            fs::write(folder.path().join(class).join("1.png"), b"").unwrap();
        }
        let error = Dataset::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("val/c"), "{error}");
    }
}
