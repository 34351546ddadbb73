//! A data set as training reads it: classes, and labelled pictures in splits.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::prepare::{Record, Transfer};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What weights are fitted to.
    Train,
    /// What is looked at after each epoch, to choose between them.
    Val,
    /// What nobody looks at before the end.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

/// A picture with its class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Where the picture is.
    pub path: PathBuf,
    /// Index of its class in [`Dataset::classes`].
    pub class: usize,
}

/// Classes, and for each split the pictures with their class, by class and then by file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Where it was read from.
    pub folder: PathBuf,
    /// Names of the classes, in alphabetical order.
    pub classes: Vec<String>,
    samples: [Vec<Sample>; 3],
}

impl Dataset {
    /// Reads the layout `train/<class>/<picture>`, `val/…`, `test/…` (any of them may be missing,
    /// but not all), or a manifest written by `dvm prepare … --link manifest`. Files that are no
    /// pictures by their names are passed over.
    ///
    /// What `dvm prepare` was killed at is never such a folder: it grows in one of another name.
    ///
    /// # Errors
    /// [`Error::NotSplit`] for a folder that has neither, [`Error::Layout`] for one in which a split
    /// has a class that `train` does not have, [`Error::File`] for what cannot be read.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        match Record::read(folder)? {
            Some(record) if record.transfer == Transfer::Manifest => {
                Ok(Self::of_manifest(folder, record))
            }
            _ => Self::of_folders(folder),
        }
    }

    /// Reads one folder per class; all pictures are in `train`.
    ///
    /// # Errors
    /// [`Error::Layout`] if there is no class folder, [`Error::File`] for what cannot be read.
    pub fn open_unsplit(folder: &Path) -> Result<Self, Error> {
        let classes = class_folders(folder)?;
        if classes.is_empty() {
            return Err(Error::Layout {
                path: folder.into(),
                detail: "holds no folder; it must hold one folder of pictures per class".into(),
            });
        }
        let mut train = Vec::new();
        for (class, name) in classes.iter().enumerate() {
            let pictures = pictures(&folder.join(name))?.into_iter();
            train.extend(pictures.map(|path| Sample { path, class }));
        }
        Ok(Self {
            folder: folder.into(),
            classes,
            samples: [train, Vec::new(), Vec::new()],
        })
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
            samples,
        }
    }

    fn of_folders(folder: &Path) -> Result<Self, Error> {
        let mut splits = Vec::new();
        for split in Split::ALL {
            let path = folder.join(split.name());
            if path.is_dir() {
                splits.push((split, class_folders(&path)?));
            }
        }
        if splits.is_empty() {
            // To say that a folder has no splits needs a folder.
            entries(folder)?;
            return Err(Error::NotSplit {
                path: folder.into(),
            });
        }
        let classes = splits[0].1.clone();
        let mut samples = [const { Vec::new() }; 3];
        for (split, found) in splits {
            for name in found {
                let path = folder.join(split.name()).join(&name);
                let class = classes.binary_search(&name).map_err(|_| Error::Layout {
                    path: path.clone(),
                    detail: format!("is a class that `{}` does not have", classes.join("`, `")),
                })?;
                samples[split as usize].extend(
                    pictures(&path)?
                        .into_iter()
                        .map(|path| Sample { path, class }),
                );
            }
        }
        Ok(Self {
            folder: folder.into(),
            classes,
            samples,
        })
    }

    /// The pictures of a split; none if it is missing.
    pub fn samples(&self, split: Split) -> &[Sample] {
        &self.samples[split as usize]
    }
}

/// Names of the folders in a folder, sorted.
fn class_folders(folder: &Path) -> Result<Vec<String>, Error> {
    let name = |path: PathBuf| match path.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(Error::Layout {
            path,
            detail: "has a name that is no UTF-8 and cannot name a class; rename it".into(),
        }),
    };
    let folders = entries(folder)?.into_iter().filter(|path| path.is_dir());
    folders.map(name).collect()
}

/// The pictures in a folder, sorted.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = entries(folder)?;
    files.retain(|path| dvm_image::is_named_as_picture(path) && path.is_file());
    Ok(files)
}

/// What is in a folder, sorted; hidden things are left out.
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
        fs::create_dir_all(folder.path().join("train/a")).unwrap();
        fs::create_dir_all(folder.path().join("val/c")).unwrap();
        let error = Dataset::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("val/c"), "{error}");
    }
}
