//! Files with boxes and masks.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::Error;

/// Most files in one folder.
const MOST_FILES: usize = 5_000_000;

/// The files in `folder` and its subfolders, as relative paths, sorted, without hidden ones.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    // Links may form loops.
    let mut entered: HashSet<PathBuf> = fs::canonicalize(folder).into_iter().collect();
    let mut folders = vec![PathBuf::new()];
    while let Some(within) = folders.pop() {
        let whole = folder.join(&within);
        for entry in fs::read_dir(&whole).map_err(Error::file(&whole))? {
            let entry = entry.map_err(Error::file(&whole))?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX" {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                if fs::canonicalize(&path).is_ok_and(|real| entered.insert(real)) {
                    folders.push(within.join(name));
                }
            } else if path.is_file() {
                found.push(within.join(name));
            }
            if found.len() > MOST_FILES {
                return Err(Error::Layout {
                    path: folder.into(),
                    detail: format!("contains more than {MOST_FILES} files, the limit"),
                });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file's name has this ending, in upper or lower case.
pub(super) fn ends_with(file: &Path, ending: &str) -> bool {
    let own = file.extension().unwrap_or_default();
    own.eq_ignore_ascii_case(ending)
}

/// The first bytes of a file, after spaces and the UTF-8 byte order mark.
pub(super) fn start(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(1 << 12).read_to_end(&mut bytes))
        .map_err(Error::file(path))?;
    let rest = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    Ok(rest.trim_ascii_start().to_vec())
}

/// The bytes of a file with at most `most` bytes.
pub(super) fn bytes_of(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(Error::file(path))?;
    if bytes.len() as u64 > most {
        return Err(too_large(path, most));
    }
    Ok(bytes)
}

/// The error for a file that is too large.
pub(super) fn too_large(path: &Path, most: u64) -> Error {
    Error::Layout {
        path: path.into(),
        detail: format!("has more than {} MB, the limit", most >> 20),
    }
}

/// A path with `/` between its parts.
pub(super) fn shown(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
