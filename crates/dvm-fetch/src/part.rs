//! The received part of a file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::FetchError;
use crate::cache::{beside, write_whole};
use crate::sha256::{absorb, hexadecimal};

/// The received beginning of a file, `FILE.part`, with its origin in `FILE.part.json`.
pub struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    hasher: Sha256,
    origin: Origin,
    /// Whether its bytes are from several responses.
    pub is_pieced: bool,
}

/// Where the bytes are from, and how to find out whether the file there has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The URL of the request.
    pub url: String,
    /// The strong `ETag` of the response, or its `Last-Modified`.
    pub validator: Option<String>,
    /// Length of the complete file.
    pub total: Option<u64>,
    /// The SHA-256 that the server announced.
    pub sha256: Option<String>,
}

/// A request for the rest.
#[derive(Debug, PartialEq, Eq)]
pub struct RangeRequest {
    /// The first missing byte.
    pub from: u64,
    /// The value of `If-Range`.
    pub only_if: Option<String>,
}

impl Part {
    /// Opens the part of the file `path`, or an empty one.
    pub fn open(path: &Path) -> Result<Self, FetchError> {
        let part = beside(path, ".part");
        let open = || {
            let mut options = OpenOptions::new();
            let mut file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&part)?;
            let mut hasher = Sha256::new();
            let length = absorb(&mut hasher, &mut file)?;
            Ok((file, hasher, length))
        };
        let (file, hasher, length) = open().map_err(|source| FetchError::Cache {
            path: part.clone(),
            source,
        })?;
        let origin = fs::read(beside(&part, ".json")).ok();
        let origin = origin.and_then(|text| serde_json::from_slice(&text).ok());
        let mut found = Self {
            path: part,
            file,
            length,
            hasher,
            is_pieced: length > 0,
            origin: Origin::default(),
        };
        match origin {
            Some(origin) => found.origin = origin,
            None => found.restart()?,
        }
        Ok(found)
    }

    /// Bytes received so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Where the bytes are from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The request that resumes from `url`, if that is safe: the server can check that the file is the same,
    /// or the complete file is checked by its SHA-256 (`is_checked`).
    pub fn rest(&self, url: &str, is_checked: bool) -> Option<RangeRequest> {
        let only_if = (self.origin.url == url)
            .then(|| self.origin.validator.clone())
            .flatten();
        let is_safe = only_if.is_some() || is_checked || self.origin.sha256.is_some();
        (self.length > 0 && is_safe).then_some(RangeRequest {
            from: self.length,
            only_if,
        })
    }

    /// Deletes everything received.
    pub fn restart(&mut self) -> Result<(), FetchError> {
        self.origin = Origin::default();
        self.length = 0;
        self.hasher = Sha256::new();
        self.is_pieced = false;
        let emptied = self.file.set_len(0);
        let emptied = emptied.and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map(|_| ()).map_err(|source| self.failed(source))
    }

    /// Records where the next bytes are from.
    pub fn begin(&mut self, origin: Origin) -> Result<(), FetchError> {
        self.is_pieced |= self.length > 0;
        if origin != self.origin {
            let text = serde_json::to_string(&origin).expect("it is plain data");
            write_whole(&beside(&self.path, ".json"), &text)?;
            self.origin = origin;
        }
        Ok(())
    }

    /// Adds bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        let written = self.file.write_all(bytes);
        written.map_err(|source| self.failed(source))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// SHA-256 of all bytes received.
    pub fn sha256(&self) -> String {
        hexadecimal(self.hasher.clone())
    }

    /// Writes it to the disk and gives it the final name.
    pub fn finish(self, path: &Path) -> Result<(), FetchError> {
        self.file.sync_all().map_err(|source| self.failed(source))?;
        let Self {
            path: part, file, ..
        } = self;
        // Windows cannot rename an open file.
        drop(file);
        fs::rename(&part, path).map_err(|source| FetchError::Cache {
            path: path.to_owned(),
            source,
        })?;
        // The file is complete: errors from here on do not matter.
        let _ = fs::remove_file(beside(&part, ".json"));
        #[cfg(unix)]
        let _ = path
            .parent()
            .map(|f| File::open(f).and_then(|f| f.sync_all()));
        Ok(())
    }

    /// Deletes it.
    pub fn remove(self) -> Result<(), FetchError> {
        let Self { path, file, .. } = self;
        drop(file);
        let _ = fs::remove_file(beside(&path, ".json"));
        fs::remove_file(&path).map_err(|source| FetchError::Cache { path, source })
    }

    fn failed(&self, source: io::Error) -> FetchError {
        FetchError::Cache {
            path: self.path.clone(),
            source,
        }
    }
}

/// Keeps other processes from fetching the same file.
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Locks the file `path`. Calls `waiting` if another process has the lock. The lock file is not deleted,
    /// because two processes could then have the lock at once.
    pub fn take(path: &Path, waiting: impl FnOnce()) -> Result<Self, FetchError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let lock = path.with_file_name(format!(".{name}.lock"));
        let take = || {
            let file = File::create(&lock)?;
            match file.try_lock() {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => {
                    waiting();
                    file.lock()?;
                    Ok(Some(file))
                }
                // Some network drives have no locks.
                Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        match take() {
            Ok(_file) => Ok(Self { _file }),
            Err(source) => Err(FetchError::Cache { path: lock, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin {
            url: url.into(),
            validator: Some("\"v1\"".into()),
            total: Some(9),
            sha256: None,
        }
    }

    #[test]
    fn a_part_is_found_again_with_its_origin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pth");
        let mut part = Part::open(&path).unwrap();
        assert_eq!(part.rest("here", true), None);
        part.begin(origin("here")).unwrap();
        part.append(b"abc").unwrap();
        drop(part);

        let mut part = Part::open(&path).unwrap();
        assert_eq!((part.length(), part.origin()), (3, &origin("here")));
        let rest = part.rest("here", false).unwrap();
        assert_eq!((rest.from, rest.only_if.as_deref()), (3, Some("\"v1\"")));
        assert_eq!(part.rest("elsewhere", false), None);
        let unconditional = Some(RangeRequest {
            from: 3,
            only_if: None,
        });
        assert_eq!(part.rest("elsewhere", true), unconditional);
        part.append(b"def").unwrap();
        let whole = part.sha256();
        part.finish(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcdef");
        let mut hasher = Sha256::new();
        hasher.update(b"abcdef");
        assert_eq!(whole, hexadecimal(hasher));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_part_without_an_origin_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pth");
        fs::write(folder.path().join("a.pth.part"), "abc").unwrap();
        assert_eq!(Part::open(&path).unwrap().length(), 0);
        fs::write(folder.path().join("a.pth.part"), "abc").unwrap();
        fs::write(folder.path().join("a.pth.part.json"), "{").unwrap();
        Part::open(&path).unwrap().remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
