//! The folder of one picture's results. It is replaced as a whole, and only if dvm wrote all its files.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{fs, io};

use dvm_image::{StagedFolder, clear_unfinished};
use serde_json::Value;

use crate::Error;
use crate::lock::lock;

/// The record: how the maps were made, and the list of the files.
pub(crate) const RECORD: &str = "explanation.json";

/// Files that operating systems create in folders.
const SYSTEM_FILES: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];

/// The folder of one picture's results. It is written under a hidden name; [`ResultFolder::publish`] moves it
/// to its place and removes the earlier results. If it is dropped before, nothing is left.
pub struct ResultFolder {
    staged: StagedFolder,
    /// As it was given.
    path: PathBuf,
    is_ours: IsOurs,
    /// Raw arrays of all classes, by method: each is written once.
    shared: Mutex<BTreeMap<String, Arc<Vec<f32>>>>,
    /// Sizes of the files of all classes together, and of single classes.
    written: [Mutex<Size>; 2],
    /// The picture of the results that will be replaced, and its checksum.
    replaces: Option<(String, Option<String>)>,
}

/// A number of files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Finds a file in a folder that is not part of its results.
type IsOurs = fn(&Path) -> io::Result<Option<PathBuf>>;

impl ResultFolder {
    /// Begins the folder of a picture's explanations. Removes unfinished folders of killed processes beside it.
    ///
    /// # Errors
    /// [`Error::Occupied`] for a folder that contains other files than explanations, [`Error::Save`] if
    /// the folder cannot be written.
    pub fn begin(path: &Path) -> Result<Self, Error> {
        Self::of(path, foreign_to_explanations)
    }

    pub(crate) fn of(path: &Path, is_ours: IsOurs) -> Result<Self, Error> {
        clear_once(path);
        refuse_foreign(path, is_ours)?;
        Ok(Self {
            staged: StagedFolder::begin(path).map_err(Error::save(path))?,
            path: path.into(),
            is_ours,
            shared: Mutex::default(),
            written: Default::default(),
            replaces: picture_of(path),
        })
    }

    /// The final path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The picture whose explanations will be replaced, if its SHA-256 is not this one.
    pub fn replaces_other_than(&self, sha256: &str) -> Option<&str> {
        let (file, known) = self.replaces.as_ref()?;
        (known.as_deref() != Some(sha256)).then_some(file)
    }

    /// Sizes of the files of all classes together, and of those in folders of single classes.
    pub fn written(&self) -> [Size; 2] {
        self.written.each_ref().map(|size| *lock(size))
    }

    /// Writes a file and returns its final path.
    pub(crate) fn write(&self, name: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        let written = self.staged.write(name, bytes);
        written.map_err(Error::save(&path))?;
        let of_class = name.components().count() > 1;
        let mut size = lock(&self.written[usize::from(of_class)]);
        size.files += 1;
        size.bytes += bytes.len() as u64;
        Ok(path)
    }

    /// Whether this array is already in the folder; if not, the caller writes it. `None` if the folder has another
    /// array of this name.
    pub(crate) fn has_shared(&self, array: &str, values: &Arc<Vec<f32>>) -> Option<bool> {
        let mut shared = lock(&self.shared);
        match shared.get(array) {
            Some(known) => Arc::ptr_eq(known, values).then_some(true),
            None => {
                shared.insert(array.to_owned(), values.clone());
                Some(false)
            }
        }
    }

    /// Moves the folder to its final path and removes the earlier results.
    ///
    /// # Errors
    /// [`Error::Occupied`] if other files have appeared there, [`Error::Save`].
    pub fn publish(self) -> Result<(), Error> {
        let (path, is_ours) = (self.path, self.is_ours);
        let may_replace = |place: &Path| match is_ours(place)? {
            Some(foreign_file) => Err(io::Error::other(not_ours(&foreign_file))),
            None => Ok(()),
        };
        let published = self.staged.publish(&may_replace);
        published.map_err(Error::save(path))
    }
}

/// Checks that results can be written into `folder`, and removes unfinished folders of killed processes there.
/// Does not create the folder: if it is missing, the nearest existing parent is checked.
///
/// # Errors
/// [`Error::Save`].
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
    // Creates a hidden folder and removes it: permissions alone do not show whether that works.
    let begun = StagedFolder::begin(&probe).map(drop);
    begun.map_err(Error::save(folder))
}

/// Removes unfinished folders beside `path`, once per process and parent folder.
fn clear_once(path: &Path) {
    static SEEN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let parent = match real.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut seen = lock(&SEEN);
    if seen.get_or_insert_default().insert(parent.into()) {
        clear_unfinished(parent);
    }
}

fn refuse_foreign(path: &Path, is_ours: IsOurs) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(kind) if kind.is_dir() => {}
        Ok(_) => {
            let error = io::Error::other("a file has that name; choose another folder");
            return Err(Error::save(path)(error));
        }
        // Publishing reports a folder that cannot be read.
        Err(_) => return Ok(()),
    }
    match is_ours(path).map_err(Error::save(path))? {
        None => Ok(()),
        Some(foreign_file) => Err(Error::Occupied {
            path: path.into(),
            detail: not_ours(&foreign_file),
        }),
    }
}

fn not_ours(foreign_file: &Path) -> String {
    format!(
        "contains {}, which dvm did not write, so the folder is not replaced; move that file away, or choose \
         another folder",
        foreign_file.display()
    )
}

/// The picture of the explanations in a folder, and its checksum.
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

/// A file that is not listed in a record of the folder or of its subfolders.
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
    // Records without a list of files are of an earlier version, which wrote only these files.
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
        let litter = SYSTEM_FILES.iter().any(|name| file.ends_with(name));
        let endings = ["png", "npy", "json"];
        let ending = file.extension().and_then(|ending| ending.to_str());
        let of_old = unlisted.contains(file.parent().unwrap_or(file))
            && ending.is_some_and(|ending| endings.contains(&ending));
        litter || known.contains(file) || of_old
    };
    files.sort();
    Ok(files.into_iter().find(|file| !is_known(file)))
}

/// A file in `folder` whose relative path is not `is_known`.
pub(crate) fn foreign_file(
    folder: &Path,
    is_known: &dyn Fn(&Path) -> bool,
) -> io::Result<Option<PathBuf>> {
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner)? {
            let entry = entry?;
            let path = entry.path();
            let name = path.strip_prefix(folder).expect("it is in the folder");
            let known = is_known(name) || SYSTEM_FILES.iter().any(|litter| path.ends_with(litter));
            match entry.file_type()?.is_dir() {
                // dvm writes no files in deeper folders.
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
    fn results_are_replaced_as_a_whole() {
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
    fn folders_of_classes_with_a_shared_array_can_be_replaced() {
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
    fn a_foreign_file_is_never_removed() {
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
    fn a_folder_without_a_record_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("photo.png"), "").unwrap();
        assert!(ResultFolder::begin(home.path()).is_err());
        fs::create_dir_all(home.path().join("album/deeper")).unwrap();
        fs::remove_file(home.path().join("photo.png")).unwrap();
        assert!(ResultFolder::begin(home.path()).is_err());
    }

    #[test]
    fn results_of_an_earlier_version_are_replaced() {
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
    fn replacing_results_of_another_picture_is_reported() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("coffee");
        explained(&place, &[]);
        let folder = ResultFolder::begin(&place).unwrap();
        assert_eq!(folder.replaces_other_than("12"), None);
        assert_eq!(folder.replaces_other_than("34"), Some("a/coffee.png"));
    }

    #[test]
    fn checking_a_folder_does_not_create_it() {
        let home = tempfile::tempdir().unwrap();
        check_output(&home.path().join("deeper/maps")).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_with_the_name_of_the_folder_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("coffee");
        fs::write(&place, "").unwrap();
        let error = ResultFolder::begin(&place).err().unwrap().to_string();
        assert!(error.contains("a file has that name"), "{error}");
        assert!(check_output(&place).is_err());
        assert!(check_output(&place.join("deeper")).is_err());
    }
}
