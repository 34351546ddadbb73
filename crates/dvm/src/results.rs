//! The folder of one picture's results: replaced whole, and only if it is one of ours.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use dvm_image::{StagedFolder, clear_unfinished};
use serde_json::Value;

use crate::Error;

/// The file that says how the maps beside it were made, and which files belong to it.
pub(crate) const RECORD: &str = "explanation.json";

/// Files that systems put into folders by themselves.
const LITTER: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];

/// The folder of one picture's results. It grows under a hidden name; [`ResultFolder::publish`]
/// gives it its own and removes the results that were there. Dropped before that, it leaves nothing.
pub struct ResultFolder {
    staged: StagedFolder,
    /// As it was given.
    path: PathBuf,
    is_ours: IsOurs,
    /// Raw arrays that hold all classes, by method: each is written once.
    shared: Mutex<BTreeMap<String, Arc<Vec<f32>>>>,
    /// What was written for all classes together, and for each by itself.
    written: [Mutex<Size>; 2],
    /// Of which picture the results are that will be replaced, and its checksum.
    replaces: Option<(String, Option<String>)>,
}

/// A number of files, and of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Finds a file in a folder that does not belong to its results.
type IsOurs = fn(&Path) -> io::Result<Option<PathBuf>>;

impl ResultFolder {
    /// Begins the folder of a picture's explanations. What killed processes left beside it is cleared
    /// away.
    ///
    /// # Errors
    /// [`Error::Occupied`] for a folder that holds anything but explanations, [`Error::Save`] if
    /// nothing can be written there.
    pub fn begin(path: &Path) -> Result<Self, Error> {
        Self::of(path, foreign_to_explanations)
    }

    pub(crate) fn of(path: &Path, is_ours: IsOurs) -> Result<Self, Error> {
        let failed = |source| Error::Save {
            path: path.into(),
            source,
        };
        clear_once(path);
        refuse_foreign(path, is_ours)?;
        Ok(Self {
            staged: StagedFolder::begin(path).map_err(failed)?,
            path: path.into(),
            is_ours,
            shared: Mutex::default(),
            written: Default::default(),
            replaces: picture_of(path),
        })
    }

    /// Its final place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The picture whose explanations will be replaced, if it is another than the one with this
    /// SHA-256.
    pub fn replaces_other_than(&self, sha256: &str) -> Option<&str> {
        let (file, known) = self.replaces.as_ref()?;
        (known.as_deref() != Some(sha256)).then_some(file)
    }

    /// What was written for all classes together, and in the folders of single classes.
    pub fn written(&self) -> [Size; 2] {
        let size = |size: &Mutex<Size>| *size.lock().unwrap_or_else(PoisonError::into_inner);
        self.written.each_ref().map(size)
    }

    /// Writes a file; its final path.
    pub(crate) fn write(&self, name: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        match self.staged.write(name, bytes) {
            Ok(()) => {
                let of_class = name.components().count() > 1;
                let size = &self.written[usize::from(of_class)];
                let mut size = size.lock().unwrap_or_else(PoisonError::into_inner);
                size.files += 1;
                size.bytes += bytes.len() as u64;
                Ok(path)
            }
            Err(source) => Err(Error::Save { path, source }),
        }
    }

    /// Whether an array of this method is in the folder already; if none is, the caller writes it.
    /// None if there is another one of this name.
    pub(crate) fn has_shared(&self, array: &str, values: &Arc<Vec<f32>>) -> Option<bool> {
        let mut shared: MutexGuard<_> = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        match shared.get(array) {
            Some(known) => Arc::ptr_eq(known, values).then_some(true),
            None => {
                shared.insert(array.to_owned(), values.clone());
                Some(false)
            }
        }
    }

    /// Gives the folder its name. Results that were there are removed.
    ///
    /// # Errors
    /// [`Error::Occupied`] if something else has come there meanwhile, [`Error::Save`].
    pub fn publish(self) -> Result<(), Error> {
        let (path, is_ours) = (self.path, self.is_ours);
        let may_replace = |place: &Path| match is_ours(place)? {
            Some(stranger) => Err(io::Error::other(not_ours(&stranger))),
            None => Ok(()),
        };
        let published = self.staged.publish(&may_replace);
        published.map_err(|source| Error::Save { path, source })
    }
}

/// Makes sure that results can be written into `folder`, and clears away what killed processes left
/// there. If the folder is missing, it stays so: whether it can be made is tried out in the one that
/// would hold it.
///
/// # Errors
/// [`Error::Save`], with what the system says.
pub fn check_output(folder: &Path) -> Result<(), Error> {
    let there = folder.ancestors().find(|path| path.exists());
    let there = match there {
        Some(path) if !path.as_os_str().is_empty() => path,
        _ => Path::new("."),
    };
    let probe = there.join("probe");
    if there == folder {
        clear_once(&probe);
    }
    // A hidden folder is made and removed again: only that shows what the disk allows.
    match StagedFolder::begin(&probe) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Save {
            path: folder.into(),
            source,
        }),
    }
}

/// Clears what was left beside `path`, the first time that this process looks there.
fn clear_once(path: &Path) {
    static SEEN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let parent = match real.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.get_or_insert_default().insert(parent.into()) {
        clear_unfinished(parent);
    }
}

pub(crate) fn refuse_foreign(path: &Path, is_ours: IsOurs) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(kind) if kind.is_dir() => {}
        Ok(_) => {
            return Err(Error::Save {
                path: path.into(),
                source: io::Error::other("there is a file of that name; choose another folder"),
            });
        }
        // A folder that cannot be looked into cannot be replaced: that is said then.
        Err(_) => return Ok(()),
    }
    match is_ours(path) {
        Ok(None) => Ok(()),
        Ok(Some(stranger)) => Err(Error::Occupied {
            path: path.into(),
            detail: not_ours(&stranger),
        }),
        Err(source) => Err(Error::Save {
            path: path.into(),
            source,
        }),
    }
}

fn not_ours(stranger: &Path) -> String {
    format!(
        "holds {}, which is not part of its results, so the folder is not replaced; move that away, \
         or choose another folder",
        stranger.display()
    )
}

/// The picture that the explanations in a folder are of, and its checksum.
fn picture_of(folder: &Path) -> Option<(String, Option<String>)> {
    let record = record(folder).or_else(|| {
        let mut entries = fs::read_dir(folder).ok()?;
        entries.find_map(|entry| record(&entry.ok()?.path()))
    })?;
    let text = |name: &str| record["image"][name].as_str().map(str::to_owned);
    Some((text("file")?, text("sha256")))
}

/// The record of the explanation in a folder.
fn record(folder: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()
}

/// A file that no record in the folder, or in one of its folders, names.
fn foreign_to_explanations(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => folders.push(entry.path()),
            false => files.push(entry.path()),
        }
    }
    for inner in &folders[1..] {
        for entry in fs::read_dir(inner)? {
            files.push(entry?.path());
        }
    }
    let mut known: HashSet<PathBuf> = HashSet::new();
    // Records that do not list their files are of an earlier version, which wrote nothing else.
    let mut unlisted: HashSet<&Path> = HashSet::new();
    for folder in &folders {
        let Some(record) = record(folder) else {
            continue;
        };
        let Some(names) = record["files"].as_array() else {
            unlisted.insert(folder);
            continue;
        };
        known.extend(names.iter().filter_map(Value::as_str).map(|name| {
            match name.strip_prefix("../").zip(folder.parent()) {
                Some((name, parent)) => parent.join(name),
                None => folder.join(name),
            }
        }));
    }
    let is_known = |file: &PathBuf| {
        let litter = LITTER.iter().any(|name| file.ends_with(name));
        let endings = ["png", "npy", "json"];
        let ending = file.extension().and_then(|ending| ending.to_str());
        let of_old = unlisted.contains(file.parent().unwrap_or(file))
            && ending.is_some_and(|ending| endings.contains(&ending));
        litter || known.contains(file) || of_old
    };
    files.sort();
    Ok(files.into_iter().find(|file| !is_known(file)))
}

/// A file below `folder` that `is_known`, given its path in the folder, does not know.
pub(crate) fn stranger(
    folder: &Path,
    is_known: &dyn Fn(&Path) -> bool,
) -> io::Result<Option<PathBuf>> {
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner)? {
            let entry = entry?;
            let path = entry.path();
            let name = path.strip_prefix(folder).expect("it is in the folder");
            let known = is_known(name) || LITTER.iter().any(|litter| path.ends_with(litter));
            match entry.file_type()?.is_dir() {
                // What lies in folders within folders cannot be ours.
                true if inner == folder => folders.push(path),
                false if known => {}
                _ => return Ok(Some(path)),
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a record that names these files.
    fn explained(folder: &Path, files: &[&str]) {
        fs::create_dir_all(folder).unwrap();
        for file in files {
            fs::write(folder.join(file), "").unwrap();
        }
        let files = [files, &[RECORD]].concat();
        let record = serde_json::json!({
            "image": {"file": "a/coffee.png", "sha256": "12"},
            "files": files,
        });
        fs::write(folder.join(RECORD), record.to_string()).unwrap();
    }

    #[test]
    fn results_are_replaced_whole() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("coffee");
        explained(&place, &["gradient.npy"]);
        fs::write(place.join(".DS_Store"), "").unwrap();
        let folder = ResultFolder::begin(&place).unwrap();
        folder.write(Path::new("occlusion.npy"), b"").unwrap();
        folder.publish().unwrap();
        let names: Vec<_> = fs::read_dir(&place).unwrap().flatten().collect();
        assert_eq!(names.len(), 1);
        assert_eq!(names[0].file_name(), "occlusion.npy");
    }

    #[test]
    fn classes_with_a_shared_array_are_ours() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("coffee");
        explained(
            &place.join("967-espresso"),
            &["../occlusion.raw.npy", "figure.png"],
        );
        explained(&place.join("968-cup"), &["../occlusion.raw.npy"]);
        ResultFolder::begin(&place).unwrap().publish().unwrap();
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_somebody_else_is_never_removed() {
        for (folder, ours) in [("coffee", "coffee"), ("coffee/967-espresso", "coffee")] {
            let home = tempfile::tempdir().unwrap();
            let folder = home.path().join(folder);
            explained(&folder, &["figure.png"]);
            fs::write(folder.join("thesis.tex"), "").unwrap();
            let error = ResultFolder::begin(&home.path().join(ours)).err().unwrap();
            assert!(error.to_string().contains("thesis.tex"), "{error}");
            assert!(folder.join("thesis.tex").exists());
            assert!(folder.join("figure.png").exists());
        }
    }

    #[test]
    fn a_folder_without_a_record_is_somebody_elses() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("photo.png"), "").unwrap();
        assert!(ResultFolder::begin(home.path()).is_err());
        fs::create_dir_all(home.path().join("album/deeper")).unwrap();
        fs::remove_file(home.path().join("photo.png")).unwrap();
        assert!(ResultFolder::begin(home.path()).is_err());
    }

    #[test]
    fn results_of_an_earlier_version_are_ours() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("coffee");
        fs::create_dir(&place).unwrap();
        for file in ["figure.png", "occlusion.raw.npy"] {
            fs::write(place.join(file), "").unwrap();
        }
        fs::write(place.join(RECORD), "{}").unwrap();
        ResultFolder::begin(&place).unwrap().publish().unwrap();
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn another_picture_of_the_same_name_is_told() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("coffee");
        explained(&place, &[]);
        let folder = ResultFolder::begin(&place).unwrap();
        assert_eq!(folder.replaces_other_than("12"), None);
        assert_eq!(folder.replaces_other_than("34"), Some("a/coffee.png"));
    }

    #[test]
    fn a_folder_that_is_only_checked_is_not_made() {
        let home = tempfile::tempdir().unwrap();
        check_output(&home.path().join("deeper/maps")).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("coffee");
        fs::write(&place, "").unwrap();
        let error = ResultFolder::begin(&place).err().unwrap().to_string();
        assert!(error.contains("there is a file"), "{error}");
        assert!(check_output(&place).is_err());
        assert!(check_output(&place.join("deeper")).is_err());
    }
}
