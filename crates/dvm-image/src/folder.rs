//! Atomic writing of folders.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use tempfile::TempDir;

use crate::file::{PREFIX, SUFFIX, without_path, write_atomic};

/// A folder that is written under a hidden name beside its destination, and then moved there in one
/// step. Several processes may write the same folder at once: the last one to finish wins. If a
/// process is killed, the next one that writes a folder in the same parent folder removes the
/// leftovers and restores a folder that was moved away.
pub struct StagedFolder {
    destination: PathBuf,
    staging: Option<TempDir>,
    /// Kept open: the system releases the lock when the process ends.
    _lock: File,
}

/// The lock file of the process that is writing.
const LOCK: &str = "lock";
/// The new folder.
const NEW: &str = "new";
/// The replaced folder, under its own name.
const OLD: &str = "old";

/// Hidden folders of this process. Writing into one takes a read lock; creating, moving or removing
/// one takes a write lock.
static UNFINISHED: RwLock<Vec<PathBuf>> = RwLock::new(Vec::new());

impl StagedFolder {
    /// Starts a folder. A missing parent folder is created.
    ///
    /// # Errors
    /// If `destination` has no name, or its parent folder is not writable.
    pub fn begin(destination: &Path) -> io::Result<Self> {
        // A link is kept: its target is replaced.
        let destination = fs::canonicalize(destination).unwrap_or_else(|_| destination.into());
        if destination.file_name().is_none() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "the path does not end with the name of a folder",
            ));
        }
        let parent = parent_of(&destination);
        fs::create_dir_all(parent)?;
        // Between creation and locking, another process may take the empty folder for a leftover
        // and remove it; then try again.
        let mut tries = 3;
        let (staging, lock) = loop {
            tries -= 1;
            let staging = tempfile::Builder::new()
                .prefix(PREFIX)
                .suffix(SUFFIX)
                .tempdir_in(parent)
                .map_err(without_path)?;
            match locked(staging.path()) {
                Ok(lock) => break (staging, lock),
                Err(error) if tries == 0 => return Err(error),
                Err(_) => {}
            }
        };
        fs::create_dir(staging.path().join(NEW))?;
        fs::create_dir(staging.path().join(OLD))?;
        unfinished().push(staging.path().into());
        Ok(Self {
            destination,
            staging: Some(staging),
            _lock: lock,
        })
    }

    /// Writes a file into the folder atomically, creating subfolders.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let _unfinished = UNFINISHED.read().unwrap_or_else(PoisonError::into_inner);
        let path = self.path().join(name);
        fs::create_dir_all(parent_of(&path))?;
        write_atomic(&path, bytes)
    }

    /// The hidden path of the new folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.hidden().join(NEW)
    }

    /// The final path.
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    fn hidden(&self) -> &Path {
        let staging = self.staging.as_ref();
        staging.expect("it exists until this is dropped").path()
    }

    /// Moves the folder to its destination. An existing folder is replaced if `may_replace` returns
    /// no error.
    ///
    /// # Errors
    /// The error of `may_replace` or of the system; the existing folder is kept then.
    pub fn publish(self, may_replace: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        // The process must not end in between: see `discard_unfinished`.
        let unfinished = unfinished();
        let (new, old) = (self.path(), self.hidden().join(OLD));
        let name = self.destination.file_name().expect("`begin` checked it");
        let replaced = old.join(name);
        let mut tries = 100;
        loop {
            if self.destination.exists() {
                may_replace(&self.destination)?;
                match fs::rename(&self.destination, &replaced) {
                    // Another process has just moved it away.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    outcome => outcome?,
                }
            }
            tries -= 1;
            match fs::rename(&new, &self.destination) {
                Ok(()) => break,
                // Another process has just published a newer one.
                Err(error) if is_taken(&error) && tries > 0 => {
                    if replaced.exists() {
                        fs::remove_dir_all(&replaced)?;
                    }
                }
                Err(error) => {
                    let _ = fs::rename(&replaced, &self.destination);
                    return Err(error);
                }
            }
        }
        keep(&self.destination);
        drop(unfinished);
        Ok(())
    }

    /// Moves one file of the folder to the destination instead, replacing an existing file. The
    /// other files are removed.
    ///
    /// # Errors
    /// If the file cannot be moved; the existing file is kept then.
    pub(crate) fn publish_file(self, name: &str) -> io::Result<()> {
        // The process must not end in between: see `discard_unfinished`.
        let unfinished = unfinished();
        fs::rename(self.path().join(name), &self.destination)?;
        keep(&self.destination);
        drop(unfinished);
        Ok(())
    }
}

/// Syncs the parent folder, so that the new name survives a power failure. Errors are ignored: some
/// systems cannot sync folders.
fn keep(destination: &Path) {
    let _ = File::open(parent_of(destination)).and_then(|parent| parent.sync_all());
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        if let Some(staging) = self.staging.take() {
            unfinished.retain(|path| path != staging.path());
            let _ = staging.close();
        }
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists
    )
}

fn unfinished() -> RwLockWriteGuard<'static, Vec<PathBuf>> {
    UNFINISHED.write().unwrap_or_else(PoisonError::into_inner)
}

/// Creates the lock file and locks it.
fn locked(folder: &Path) -> io::Result<File> {
    let path = folder.join(LOCK);
    let lock = File::create(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        // Some network disks have no locks; the names are unique anyway.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
    }
    // Another process may have removed the folder before it was locked.
    fs::metadata(&path)?;
    Ok(lock)
}

/// Removes leftovers of killed processes in `folder` ([`StagedFolder`]s and files of
/// [`write_atomic`](crate::write_atomic)), and restores folders that they moved away. Errors are
/// ignored.
pub fn clear_unfinished(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_hidden = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && name.to_str().is_some_and(is_hidden) {
            clear(folder, &entry.path());
        }
    }
}

fn clear(parent: &Path, hidden: &Path) {
    let Ok(lock) = File::open(hidden.join(LOCK)) else {
        // Not locked yet, or half removed: only an empty folder is removed here.
        let _ = fs::remove_dir(hidden);
        return;
    };
    if lock.try_lock().is_err() {
        return;
    }
    let moved = fs::read_dir(hidden.join(OLD)).into_iter().flatten();
    for old in moved.flatten() {
        let place = parent.join(old.file_name());
        if !place.exists() && fs::rename(old.path(), &place).is_err() {
            return;
        }
    }
    let _ = fs::remove_dir_all(hidden);
}

/// Removes all unpublished folders of this process, before the program ends. From then on, threads
/// that start, write or publish a folder block.
pub fn discard_unfinished() {
    let unfinished = unfinished();
    for folder in unfinished.iter() {
        let _ = fs::remove_dir_all(folder);
    }
    // The lock is never released, so that other threads write nothing more.
    std::mem::forget(unfinished);
}

pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str() != OsStr::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(_: &Path) -> io::Result<()> {
        Ok(())
    }

    fn staged(destination: &Path, file: &str) -> StagedFolder {
        let staged = StagedFolder::begin(destination).unwrap();
        staged.write(Path::new(file), b"").unwrap();
        staged
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
            .into_iter()
            .map(|n| n.into_string().unwrap())
            .collect()
    }

    #[test]
    fn the_folder_appears_only_when_it_is_published() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("deep/maps");
        let folder = staged(&place, "a");
        assert!(!place.exists());
        folder.publish(&any).unwrap();
        assert_eq!(names(&place), ["a"]);
        assert_eq!(names(&home.path().join("deep")), ["maps"]);
    }

    #[test]
    fn publishing_replaces_the_whole_folder() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("maps");
        staged(&place, "old").publish(&any).unwrap();
        staged(&place, "new").publish(&any).unwrap();
        assert_eq!(names(&place), ["new"]);
        assert_eq!(names(home.path()), ["maps"]);
    }

    #[test]
    fn a_refused_replacement_keeps_the_existing_folder() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("maps");
        staged(&place, "old").publish(&any).unwrap();
        let no = |_: &Path| Err(io::Error::other("no"));
        assert!(staged(&place, "new").publish(&no).is_err());
        assert_eq!(names(&place), ["old"]);
        assert_eq!(names(home.path()), ["maps"]);
    }

    #[test]
    fn a_dropped_folder_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        drop(staged(&home.path().join("maps"), "a"));
        assert!(names(home.path()).is_empty());
    }

    #[test]
    fn concurrent_writers_leave_one_complete_folder() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("maps");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let place = &place;
                scope.spawn(move || {
                    for _ in 0..10 {
                        let folder = StagedFolder::begin(place).unwrap();
                        for file in ["a", "b"] {
                            folder.write(Path::new(file), &[writer]).unwrap();
                        }
                        folder.publish(&any).unwrap();
                    }
                });
            }
        });
        let written = ["a", "b"].map(|file| fs::read(place.join(file)).unwrap());
        assert_eq!(written[0], written[1]);
        assert_eq!(names(home.path()), ["maps"]);
    }

    /// The state after a process was killed when it had moved the old folder away.
    fn killed(home: &Path) -> PathBuf {
        let hidden = home.join(format!("{PREFIX}x{SUFFIX}"));
        fs::create_dir_all(hidden.join(NEW)).unwrap();
        fs::create_dir_all(hidden.join(OLD).join("maps")).unwrap();
        fs::write(hidden.join(OLD).join("maps/precious"), "").unwrap();
        fs::write(hidden.join(LOCK), "").unwrap();
        hidden
    }

    #[test]
    fn a_folder_that_a_killed_process_moved_is_restored() {
        let home = tempfile::tempdir().unwrap();
        killed(home.path());
        clear_unfinished(home.path());
        assert_eq!(names(home.path()), ["maps"]);
        assert_eq!(names(&home.path().join("maps")), ["precious"]);
    }

    #[test]
    fn a_folder_that_a_killed_process_replaced_is_not_restored() {
        let home = tempfile::tempdir().unwrap();
        killed(home.path());
        fs::create_dir(home.path().join("maps")).unwrap();
        clear_unfinished(home.path());
        assert_eq!(names(home.path()), ["maps"]);
        assert!(names(&home.path().join("maps")).is_empty());
    }

    #[test]
    fn folders_of_running_processes_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("maps");
        let folder = staged(&place, "a");
        clear_unfinished(home.path());
        folder.publish(&any).unwrap();
        assert_eq!(names(&place), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let (real, link) = (home.path().join("real"), home.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        staged(&link, "a").publish(&any).unwrap();
        assert_eq!(names(&real), ["a"]);
        assert!(link.is_symlink());
    }
}
