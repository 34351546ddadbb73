//! The temporary folder beside the destination in which a data set is written.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Error;

/// A hidden folder `.<destination>.part` that only this process writes to. It is removed on drop, and by the
/// next run if this one is killed.
pub(super) struct Staging {
    destination: PathBuf,
    folder: PathBuf,
    /// Kept open: the system releases the lock when the process ends.
    _lock: File,
}

/// The lock file.
const LOCK: &str = "lock";
/// The unfinished data set.
const NEW: &str = "new";
/// The data set to be replaced.
const OLD: &str = "old";

impl Staging {
    /// Makes the folder and its parent folder. Removes the files of a killed run.
    pub(super) fn begin(destination: &Path) -> Result<Self, Error> {
        let folder = part(destination)?;
        let parent = folder.parent().expect("it was joined to one");
        fs::create_dir_all(parent).map_err(Error::file(parent))?;
        match fs::create_dir(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !folder.join(LOCK).is_file() {
                    return Err(Error::Layout {
                        path: folder,
                        detail: "is in the way: dvm needs this name for a temporary folder; remove or rename it"
                            .into(),
                    });
                }
            }
            Err(error) => return Err(Error::file(folder)(error)),
        }
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(Error::file(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Layout {
                    path: destination.into(),
                    detail: "is being written by another dvm process; wait for it to end".into(),
                });
            }
            // Some network drives have no locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(Error::file(path)(error)),
        }
        let staging = Self {
            destination: destination.into(),
            folder,
            _lock: lock,
        };
        staging.clear()?;
        Ok(staging)
    }

    /// Restores the old data set after a run that was killed while it replaced it.
    pub(super) fn recover(destination: &Path) -> Result<(), Error> {
        if part(destination)?.join(LOCK).is_file() {
            Self::begin(destination)?;
        }
        Ok(())
    }

    /// The folder to write to.
    pub(super) fn folder(&self) -> PathBuf {
        self.folder.join(NEW)
    }

    /// Gives the data set its final name. A folder with that name must be empty; with `replace` it is moved
    /// away first and removed afterwards.
    pub(super) fn publish(self, replace: bool) -> Result<(), Error> {
        let (new, old) = (self.folder(), self.folder.join(OLD));
        if self.destination.exists() {
            if replace {
                fs::rename(&self.destination, &old).map_err(Error::file(&self.destination))?;
            } else {
                // Only an empty folder can be removed like this.
                fs::remove_dir(&self.destination).map_err(Error::file(&self.destination))?;
            }
        }
        if let Err(error) = fs::rename(&new, &self.destination) {
            if old.exists() {
                let _ = fs::rename(&old, &self.destination);
            }
            return Err(Error::file(&self.destination)(error));
        }
        if let Some(parent) = self.folder.parent() {
            // The new name survives a power failure. Where a folder cannot be synced, the system does it later.
            let _ = File::open(parent).and_then(|parent| parent.sync_all());
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), Error> {
        let old = self.folder.join(OLD);
        if old.exists() && !self.destination.exists() {
            fs::rename(&old, &self.destination).map_err(Error::file(&self.destination))?;
        }
        for left in [self.folder(), old] {
            match fs::remove_dir_all(&left) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::file(left)(error));
                }
                _ => {}
            }
        }
        fs::create_dir(self.folder()).map_err(Error::file(self.folder()))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn part(destination: &Path) -> Result<PathBuf, Error> {
    let name = destination.file_name().ok_or_else(|| Error::Layout {
        path: destination.into(),
        detail: "cannot be the folder of a data set; give a folder that does not exist yet".into(),
    })?;
    let mut part = std::ffi::OsString::from(".");
    part.push(name);
    part.push(".part");
    Ok(match destination.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.join(part),
        _ => Path::new(".").join(part),
    })
}

/// Whether a folder is missing, or empty.
pub(super) fn is_free(folder: &Path) -> Result<bool, Error> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Error::file(folder)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_name_appears_when_it_is_published() {
        let home = tempfile::tempdir().unwrap();
        let destination = home.path().join("set");
        let staging = Staging::begin(&destination).unwrap();
        fs::write(staging.folder().join("a"), b"1").unwrap();
        assert!(!destination.exists());
        staging.publish(false).unwrap();
        assert_eq!(fs::read(destination.join("a")).unwrap(), b"1");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_one_process_writes_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let destination = home.path().join("set");
        let first = Staging::begin(&destination).unwrap();
        let error = Staging::begin(&destination).err().unwrap().to_string();
        assert!(error.contains("another dvm"), "{error}");
        drop(first);
        Staging::begin(&destination).unwrap();
    }

    /// A killed process leaves the folder and the lock file, but no lock.
    fn killed(home: &Path) -> PathBuf {
        let part = home.join(".set.part");
        fs::create_dir_all(part.join(NEW)).unwrap();
        fs::write(part.join(NEW).join("half"), b"").unwrap();
        fs::write(part.join(LOCK), b"").unwrap();
        part
    }

    #[test]
    fn files_of_a_killed_run_are_removed() {
        let home = tempfile::tempdir().unwrap();
        killed(home.path());
        let staging = Staging::begin(&home.path().join("set")).unwrap();
        assert!(is_free(&staging.folder()).unwrap());
    }

    #[test]
    fn a_data_set_moved_away_by_a_killed_run_is_restored() {
        let home = tempfile::tempdir().unwrap();
        let part = killed(home.path());
        fs::create_dir(part.join(OLD)).unwrap();
        fs::write(part.join(OLD).join("precious"), b"").unwrap();
        let destination = home.path().join("set");
        Staging::recover(&destination).unwrap();
        assert!(destination.join("precious").exists());
        assert!(!part.exists());
    }

    #[test]
    fn a_folder_with_other_files_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let part = home.path().join(".set.part");
        fs::create_dir(&part).unwrap();
        fs::write(part.join("thesis"), b"").unwrap();
        assert!(Staging::begin(&home.path().join("set")).is_err());
        assert!(part.join("thesis").exists());
    }
}
