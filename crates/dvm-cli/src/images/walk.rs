//! The pictures in a folder and its subfolders.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dvm::data::formats;

/// The content of a folder and its subfolders.
#[derive(Debug, Default)]
pub struct FolderContent {
    /// Pictures and volumes, relative to the folder, sorted.
    pub pictures: Vec<PathBuf>,
    /// Pictures in formats that dvm does not read.
    pub foreign: Vec<PathBuf>,
    /// Folders that cannot be read, and why.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// Extensions of picture formats that dvm does not read, in lower case.
const FOREIGN: [&str; 21] = [
    "heic", "heif", "avif", "jxl", "jp2", "j2k", "svg", "pdf", "eps", "psd", "dng", "cr2", "cr3",
    "nef", "arw", "raf", "orf", "rw2", "czi", "exr", "ppm",
];

/// Folders that systems and programs add to folders of pictures.
const SYSTEM_FOLDERS: [&str; 3] = ["__MACOSX", "@eaDir", "$RECYCLE.BIN"];

/// Files by which a folder with results of dvm is recognised; its pictures are not input.
const RESULTS: [&str; 4] = [
    "explanation.json",
    "report.md",
    "survey.json",
    "metrics.jsonl",
];

/// Searches `folder` and its subfolders. Skips hidden folders, folders of systems and results of dvm; a folder that
/// several links lead to is searched once.
///
/// # Errors
/// If `folder` itself cannot be read.
pub fn search(folder: &Path) -> io::Result<FolderContent> {
    let mut found = FolderContent::default();
    let mut entered = HashSet::new();
    entered.extend(fs::canonicalize(folder));
    let mut folders = vec![PathBuf::new()];
    while let Some(within) = folders.pop() {
        let whole = folder.join(&within);
        let entries = match fs::read_dir(&whole).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) if within.as_os_str().is_empty() => return Err(error),
            Err(error) => {
                found.unreadable.push((whole, error));
                continue;
            }
        };
        let names: Vec<OsString> = entries.iter().map(fs::DirEntry::file_name).collect();
        let is_result = |name: &OsString| RESULTS.iter().any(|known| name == known);
        if !within.as_os_str().is_empty() && names.iter().any(is_result) {
            continue;
        }
        for (entry, name) in entries.iter().zip(names) {
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if is_hidden || SYSTEM_FOLDERS.iter().any(|known| name == *known) {
                continue;
            }
            let path = entry.path();
            // `read_dir` gives the type of everything but links.
            let kind = entry.file_type().ok().filter(|kind| !kind.is_symlink());
            let is_folder = kind.map_or_else(|| path.is_dir(), |kind| kind.is_dir());
            let is_file = || kind.map_or_else(|| path.is_file(), |kind| kind.is_file());
            if is_folder {
                let is_new = fs::canonicalize(&path).is_ok_and(|real| entered.insert(real));
                if is_new {
                    folders.push(within.join(name));
                }
            } else if dvm::is_named_as_picture(&path) && is_file()
                || formats::volume_name(&path).is_some()
                || path.extension().is_none() && formats::is_dicom(&path) && name != "DICOMDIR"
            {
                found.pictures.push(within.join(name));
            } else if is_foreign(&path) {
                found.foreign.push(path);
            }
        }
    }
    found.pictures.sort();
    found.foreign.sort();
    Ok(found)
}

fn is_foreign(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    FOREIGN.contains(&ending.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::super::tests::made;
    use super::*;

    fn paths(paths: &[PathBuf]) -> Vec<&str> {
        paths.iter().map(|path| path.to_str().unwrap()).collect()
    }

    #[test]
    fn subfolders_are_searched_but_not_those_of_systems_and_results() {
        let folder = made(&[
            "b/deep/er/x.JPG",
            "b/1.png",
            "a.tif",
            "scan.nii.gz",
            "notes.txt",
            ".hidden/1.png",
            "__MACOSX/b/._1.png",
            "__MACOSX/b/1.png",
            "@eaDir/1.png",
            "explanations/coffee/explanation.json",
            "explanations/coffee/figure.png",
            "runs/one/metrics.jsonl",
            "runs/one/report/report.md",
            "runs/one/report/confusion.png",
        ]);
        let found = search(folder.path()).unwrap();
        assert_eq!(
            paths(&found.pictures),
            ["a.tif", "b/1.png", "b/deep/er/x.JPG", "scan.nii.gz"]
        );
    }

    #[test]
    fn pictures_in_other_formats_are_counted() {
        let folder = made(&["a.png", "b/IMG_1.HEIC", "c.dng", "._d.heic"]);
        let found = search(folder.path()).unwrap();
        assert_eq!(found.foreign.len(), 2, "{found:?}");
    }

    #[cfg(unix)]
    #[test]
    fn circular_links_are_followed_once() {
        let folder = made(&["a/1.png"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/round")).unwrap();
        let found = search(folder.path()).unwrap();
        assert_eq!(paths(&found.pictures), ["a/1.png"]);
    }
}
