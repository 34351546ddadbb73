//! The files of this repository, for checks of its structure and its documents.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// The files below `folder` with one of these extensions, in order, except for those in hidden folders and in
/// folders with the names in `skipped`.
pub fn files_below(folder: &Path, extensions: &[&str], skipped: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !name.starts_with('.') && !skipped.contains(&name) {
                    folders.push(path);
                }
            } else if extensions
                .iter()
                .any(|e| path.extension() == Some(e.as_ref()))
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
