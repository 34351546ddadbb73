//! Data sets with one folder per split and one folder per class in each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Dataset, Sample, Split, entries, names};
use crate::Error;

/// The contents of a split's folder.
struct SplitFolder {
    folder: PathBuf,
    /// Sorted pictures by class, including classes without pictures.
    classes: BTreeMap<String, Vec<PathBuf>>,
    /// Number of folders within class folders. They are ignored.
    nested: usize,
    /// Number of pictures beside the class folders.
    loose: usize,
}

impl SplitFolder {
    fn read(folder: PathBuf) -> Result<Self, Error> {
        let mut found = Self {
            classes: BTreeMap::new(),
            nested: 0,
            loose: 0,
            folder,
        };
        for path in entries(&found.folder)? {
            if !path.is_dir() {
                found.loose += usize::from(is_picture(&path));
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.map(str::to_owned).ok_or_else(|| Error::Layout {
                path: path.clone(),
                detail: "has a name that is not UTF-8, so it cannot be a class; rename it".into(),
            })?;
            let mut pictures = Vec::new();
            for path in entries(&path)? {
                if path.is_dir() {
                    found.nested += 1;
                } else if is_picture(&path) {
                    pictures.push(path);
                }
            }
            found.classes.insert(name, pictures);
        }
        Ok(found)
    }

    /// Names of classes with pictures.
    fn with_pictures(&self) -> impl Iterator<Item = &String> {
        let classes = self.classes.iter();
        classes.filter_map(|(name, pictures)| (!pictures.is_empty()).then_some(name))
    }

    /// Messages about ignored pictures and folders.
    fn left_out(&self, root: &Path) -> Vec<String> {
        let place = self.folder.strip_prefix(root).unwrap_or(&self.folder);
        let place = match place.as_os_str().is_empty() {
            true => String::new(),
            false => format!(" in `{}`", place.display()),
        };
        let mut left_out = Vec::new();
        if self.loose > 0 {
            left_out.push(format!(
                "{} pictures{place} are in no class folder and are ignored",
                self.loose
            ));
        }
        if self.nested > 0 {
            left_out.push(format!(
                "{} folders within class folders{place} are ignored",
                self.nested
            ));
        }
        left_out
    }
}

fn is_picture(path: &Path) -> bool {
    dvm_image::is_named_as_picture(path) && path.is_file()
}

/// Reads a folder with one folder per split.
///
/// # Errors
/// As [`Dataset::open`].
pub(super) fn split(root: &Path) -> Result<Dataset, Error> {
    let mut found: BTreeMap<Split, SplitFolder> = BTreeMap::new();
    let mut others = Vec::new();
    for path in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(split) = Split::of_folder(&name) else {
            others.push(name);
            continue;
        };
        if let Some(other) = found.get(&split) {
            return Err(Error::Layout {
                path: root.into(),
                detail: format!(
                    "has two folders for the split `{}`, `{}` and `{name}`; rename or move one of them",
                    split.name(),
                    other.folder.file_name().unwrap_or_default().display()
                ),
            });
        }
        found.insert(split, SplitFolder::read(path)?);
    }
    if found.is_empty() {
        return Err(Error::NotSplit { path: root.into() });
    }
    let mut left_out = Vec::new();
    if !others.is_empty() {
        let others: Vec<&str> = others.iter().map(|name| &name[..]).collect();
        left_out.push(format!(
            "these folders are not splits and are ignored: {} (splits are train, val and test)",
            names(&others)
        ));
    }
    collected(root, found, left_out)
}

/// Reads a folder with one folder per class.
///
/// # Errors
/// As [`Dataset::open_unsplit`].
pub(super) fn unsplit(root: &Path) -> Result<Dataset, Error> {
    let found = SplitFolder::read(root.into())?;
    if found.classes.is_empty() {
        return Err(Error::Layout {
            path: root.into(),
            detail: "contains no folder; it must contain one folder of pictures per class".into(),
        });
    }
    collected(root, BTreeMap::from([(Split::Train, found)]), Vec::new())
}

fn collected(
    root: &Path,
    found: BTreeMap<Split, SplitFolder>,
    mut left_out: Vec<String>,
) -> Result<Dataset, Error> {
    let with_pictures: BTreeSet<&String> = found
        .values()
        .flat_map(SplitFolder::with_pictures)
        .collect();
    // The classes are those of the first split: of train, if it exists.
    let (first, decides) = found.iter().next().expect("a split was found");
    let classes: Vec<String> = decides.classes.keys().cloned().collect();
    let classes: Vec<String> = classes
        .into_iter()
        .filter(|name| with_pictures.contains(name))
        .collect();
    let mut empty: BTreeSet<&str> = BTreeSet::new();
    let mut samples = [const { Vec::new() }; 3];
    for (split, of) in &found {
        left_out.extend(of.left_out(root));
        for (name, pictures) in &of.classes {
            if !with_pictures.contains(name) {
                empty.insert(name);
                continue;
            }
            if pictures.is_empty() {
                continue;
            }
            let class = classes.binary_search(name).map_err(|_| Error::Layout {
                path: of.folder.join(name),
                detail: format!(
                    "this class does not exist in `{}`, which has {}; add training pictures of it, or move its \
                     folder away",
                    first.name(),
                    names(&classes.iter().map(|name| &name[..]).collect::<Vec<_>>())
                ),
            })?;
            let pictures = pictures.iter().cloned();
            samples[*split as usize].extend(pictures.map(|path| Sample { path, class }));
        }
    }
    if !empty.is_empty() {
        left_out.push(format!(
            "these folders contain no pictures and are ignored: {}",
            names(&empty.into_iter().collect::<Vec<_>>())
        ));
    }
    if classes.is_empty() {
        return Err(Error::Layout {
            path: decides.folder.clone(),
            detail: format!(
                "contains no class folder with pictures ({}); put the pictures of each class into a folder \
                 with its name",
                dvm_image::ENDINGS.join(", ")
            ),
        });
    }
    Ok(Dataset {
        folder: root.into(),
        classes,
        left_out,
        samples,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with these files.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            if file.ends_with('/') {
                fs::create_dir_all(path).unwrap();
                continue;
            }
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        folder
    }

    fn read(files: &[&str]) -> Dataset {
        Dataset::open(folder(files).path()).unwrap()
    }

    #[test]
    fn usual_names_of_splits_are_known_in_upper_and_lower_case() {
        for (name, split) in [
            ("valid", Split::Val),
            ("Validation", Split::Val),
            ("dev", Split::Val),
            ("VAL", Split::Val),
            ("Testing", Split::Test),
        ] {
            let picture = format!("{name}/a/1.png");
            let data = read(&["Training/a/1.png", "Training/b/1.png", &picture]);
            assert_eq!(data.samples(split).len(), 1, "{name}");
            assert_eq!(data.samples(Split::Train).len(), 2);
        }
    }

    #[test]
    fn two_names_for_one_split_are_an_error() {
        let folder = folder(&["train/a/1.png", "val/a/1.png", "valid/a/1.png"]);
        let error = Dataset::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("`val` and `valid`"), "{error}");
    }

    #[test]
    fn folders_that_are_not_splits_are_reported() {
        let data = read(&[
            "train/a/1.png",
            "train/b/1.png",
            "val/a/1.png",
            "val/b/1.png",
            "extra/a/1.png",
        ]);
        assert_eq!(data.remarks().len(), 1);
        assert!(
            data.remarks()[0].contains("`extra`"),
            "{:?}",
            data.remarks()
        );
    }

    #[test]
    fn folders_without_pictures_are_not_classes_and_are_reported() {
        let data = read(&[
            "train/__MACOSX/",
            "train/__MACOSX/._1.png",
            "train/notes/read.txt",
            "train/a/1.png",
            "train/b/1.png",
            "val/a/1.png",
            "val/b/1.png",
        ]);
        assert_eq!(data.classes, ["a", "b"]);
        assert_eq!(data.samples(Split::Train)[0].class, 0);
        let remarks = data.remarks();
        assert_eq!(remarks.len(), 1, "{remarks:?}");
        assert!(remarks[0].contains("`__MACOSX`, `notes`"), "{remarks:?}");
    }

    #[test]
    fn a_class_missing_in_a_split_keeps_its_index_and_is_reported() {
        let data = read(&[
            "train/a/1.png",
            "train/b/1.png",
            "train/c/1.png",
            "val/a/1.png",
            "val/b/",
            "val/c/1.png",
        ]);
        assert_eq!(data.classes, ["a", "b", "c"]);
        assert_eq!(data.counts(Split::Val), [1, 0, 1]);
        let remarks = data.remarks();
        assert_eq!(
            remarks,
            ["`val` has no pictures of `b`, so nothing is measured on them"]
        );
        // The same if the class has an empty folder in `train`.
        let data = read(&["train/a/", "train/b/1.png", "val/a/1.png", "val/b/1.png"]);
        assert_eq!(data.classes, ["a", "b"]);
        assert_eq!(data.counts(Split::Train), [0, 1]);
        assert!(data.remarks()[0].contains("does not learn them"));
    }

    #[test]
    fn one_class_and_no_validation_are_reported() {
        let remarks = read(&["train/a/1.png"]).remarks().join("\n");
        assert!(remarks.contains("only one class, `a`"), "{remarks}");
        assert!(remarks.contains("no validation pictures"), "{remarks}");
    }

    #[test]
    fn ignored_pictures_and_folders_are_counted() {
        let data = read(&[
            "train/a/1.png",
            "train/a/more/2.png",
            "train/b/1.png",
            "train/3.png",
        ]);
        let remarks = data.remarks().join("\n");
        assert!(
            remarks.contains("1 pictures in `train` are in no class folder"),
            "{remarks}"
        );
        assert!(
            remarks.contains("1 folders within class folders in `train` are ignored"),
            "{remarks}"
        );
    }

    #[test]
    fn splits_without_class_folders_are_errors() {
        let folder = folder(&["train/1.png", "val/2.png"]);
        let error = Dataset::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no class folder with pictures"), "{error}");
    }
}
