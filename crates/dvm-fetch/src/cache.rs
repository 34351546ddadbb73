//! The folder of fetched files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::sha256::{absorb, hexadecimal, whole};
use crate::{Address, FetchError};

/// The environment variable with the folder.
pub const CACHE_VARIABLE: &str = "DVM_CACHE";

/// A folder of fetched files, under `weights/` by publisher. The SHA-256 of each file is in `FILE.sha256`
/// beside it, in the format of `sha256sum --check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
}

/// A file of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// Its path.
    pub path: PathBuf,
    /// The SHA-256 recorded when it was fetched, 64 hexadecimal digits. A file that was put there by hand
    /// has none.
    pub recorded: Option<String>,
    /// The first digits of its SHA-256, from its published name.
    digits: Option<String>,
}

impl Cache {
    /// The cache in this folder. The folder may not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The cache of this user: the folder in `DVM_CACHE`, or the platform's: `$XDG_CACHE_HOME/dvm` or
    /// `~/.cache/dvm`, on macOS `~/Library/Caches/dvm`, on Windows `%LOCALAPPDATA%\dvm\cache`.
    ///
    /// # Errors
    /// [`FetchError::NoCache`] if none of these variables is set.
    pub fn usual() -> Result<Self, FetchError> {
        usual_folder(std::env::consts::OS, |name| std::env::var_os(name))
            .map(Self::at)
            .ok_or(FetchError::NoCache)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the file in the cache, whether it exists or not.
    pub fn path(&self, address: &Address) -> PathBuf {
        self.folder.join("weights").join(address.place())
    }

    /// The file, if it exists. It is not read.
    pub fn find(&self, address: &Address) -> Option<Cached> {
        let path = self.path(address);
        path.is_file().then(|| Cached {
            recorded: recorded(&path),
            digits: address.digits().map(Into::into),
            path,
        })
    }
}

impl Cached {
    /// Reads the file: its SHA-256, and its length in bytes.
    ///
    /// # Errors
    /// [`FetchError::Cache`] if it cannot be read.
    pub fn digest(&self) -> Result<(String, u64), FetchError> {
        let mut hasher = Sha256::new();
        let read = File::open(&self.path).and_then(|mut file| absorb(&mut hasher, &mut file));
        let bytes = read.map_err(|source| FetchError::Cache {
            path: self.path.clone(),
            source,
        })?;
        Ok((hexadecimal(hasher), bytes))
    }

    /// Deletes the file and its recorded checksum.
    ///
    /// # Errors
    /// [`FetchError::Cache`] if it cannot be deleted.
    pub fn remove(self) -> Result<(), FetchError> {
        let path = self.path;
        let _ = fs::remove_file(beside(&path, RECORD));
        fs::remove_file(&path).map_err(|source| FetchError::Cache { path, source })
    }

    /// Compares `found`, the file's SHA-256, with the recorded one, or with the digits in the published name
    /// if none is recorded.
    ///
    /// # Errors
    /// [`FetchError::Damaged`] if they differ.
    pub fn check(&self, found: &str) -> Result<(), FetchError> {
        let should = match (&self.recorded, &self.digits) {
            (Some(recorded), _) if found != recorded => format!("be {recorded}"),
            (None, Some(digits)) if !found.starts_with(&digits[..]) => {
                format!("begin with {digits}")
            }
            _ => return Ok(()),
        };
        Err(FetchError::Damaged {
            path: self.path.clone(),
            found: found.into(),
            should,
        })
    }
}

fn usual_folder(system: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(own) = folder(CACHE_VARIABLE) {
        return Some(own);
    }
    match system {
        "windows" => folder("LOCALAPPDATA").map(|local| local.join("dvm").join("cache")),
        "macos" => folder("HOME").map(|home| home.join("Library/Caches/dvm")),
        _ => folder("XDG_CACHE_HOME")
            // The specification says to ignore relative ones.
            .filter(|folder| folder.is_absolute())
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .map(|caches| caches.join("dvm")),
    }
}

/// `path` with an ending added to its name: `weights.pth.sha256`.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

const RECORD: &str = ".sha256";

/// The SHA-256 recorded beside the file.
fn recorded(path: &Path) -> Option<String> {
    let text = fs::read_to_string(beside(path, RECORD)).ok()?;
    whole(text.split_whitespace().next()?)
}

/// Records the SHA-256 of the file, in the format of `sha256sum`.
pub fn record(path: &Path, sha256: &str) -> Result<(), FetchError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    write_whole(&beside(path, RECORD), &format!("{sha256}  {name}\n"))
}

/// Writes a small file completely or not at all.
pub fn write_whole(path: &Path, text: &str) -> Result<(), FetchError> {
    use std::io::Write as _;
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        // Caches may be shared: other users may read the record, as they may read the file.
        #[cfg(unix)]
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        #[cfg(unix)]
        builder.permissions(permissions);
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(|_| ()).map_err(|source| FetchError::Cache {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(system: &str, variables: &[(&str, &str)]) -> Option<PathBuf> {
        usual_folder(system, |name| {
            let mut all = variables.iter();
            all.find(|(key, _)| *key == name).map(|(_, v)| v.into())
        })
    }

    #[test]
    fn the_folder_follows_the_platform() {
        let home = ("HOME", "/home/ada");
        let is = |folder: &str| Some(PathBuf::from(folder));
        assert_eq!(usual("linux", &[home]), is("/home/ada/.cache/dvm"));
        let xdg = ("XDG_CACHE_HOME", "/var/caches");
        assert_eq!(usual("linux", &[home, xdg]), is("/var/caches/dvm"));
        let relative = ("XDG_CACHE_HOME", "caches");
        assert_eq!(
            usual("linux", &[home, relative]),
            is("/home/ada/.cache/dvm")
        );
        assert_eq!(
            usual("macos", &[home, xdg]),
            is("/home/ada/Library/Caches/dvm")
        );
        let local = ("LOCALAPPDATA", "local");
        let windows = Path::new("local").join("dvm").join("cache");
        assert_eq!(usual("windows", &[local]), Some(windows));
        for system in ["linux", "macos", "windows"] {
            let own = (CACHE_VARIABLE, "mine");
            assert_eq!(usual(system, &[home, local, own]), is("mine"));
            assert_eq!(usual(system, &[]), None);
        }
    }

    #[test]
    fn the_recorded_checksum_counts_before_the_digits_of_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let address = Address::Torchvision {
            file: "a-01234567.pth",
        };
        assert_eq!(cache.find(&address), None);
        let path = cache.path(&address);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "weights").unwrap();
        let [right, other] = ["01234567", "76543210"].map(|start| format!("{start:0<64}"));
        let changed = format!("{}1", &right[..63]);
        let by_name = cache.find(&address).unwrap();
        assert!(by_name.check(&right).is_ok() && by_name.check(&changed).is_ok());
        let why = by_name.check(&other).unwrap_err().to_string();
        assert!(why.ends_with("should begin with 01234567"), "{why}");

        record(&path, &right).unwrap();
        let recorded = cache.find(&address).unwrap();
        assert!(recorded.check(&right).is_ok());
        let why = recorded.check(&changed).unwrap_err().to_string();
        assert!(why.ends_with(&format!("should be {right}")), "{why}");
    }
}
