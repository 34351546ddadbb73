//! Folders that are there whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use tempfile::TempDir;

use crate::file::{PREFIX, SUFFIX, without_path, write_atomic};

/// A folder that grows under a hidden name beside its place, and takes its place in one step.
///
/// Several processes may make the same folder at once: each grows apart, and the last one to end
/// stays, whole. If a process is killed, the next one that begins a folder in the same place clears
/// away what it left and puts back what it had moved.
pub struct StagedFolder {
    destination: PathBuf,
    staging: Option<TempDir>,
    /// Held open: the system frees the lock when the process ends, however it ends.
    _lock: File,
}

/// The file whose lock says that a process still works here.
const LOCK: &str = "lock";
/// The folder that grows.
const NEW: &str = "new";
/// The folder that was replaced, under its own name.
const OLD: &str = "old";

/// Hidden folders of this process. Who writes into one reads this; who makes, moves or removes one
/// writes it.
static UNFINISHED: RwLock<Vec<PathBuf>> = RwLock::new(Vec::new());

impl StagedFolder {
    /// Begins a folder; the one it lies in is made if it is missing.
    ///
    /// # Errors
    /// If `destination` has no name of its own, or nothing can be written beside it.
    pub fn begin(destination: &Path) -> io::Result<Self> {
        // A link stays a link: what it points at is replaced.
        let destination = fs::canonicalize(destination).unwrap_or_else(|_| destination.into());
        if destination.file_name().is_none() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "this is not the name of a folder",
            ));
        }
        let parent = parent_of(&destination);
        fs::create_dir_all(parent)?;
        // Between making the folder and locking it, another process may take it for one that was
        // left; it is empty then, and another one is made.
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

    /// Writes a file of this path in the folder, whole; folders on the way are made.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let _unfinished = UNFINISHED.read().unwrap_or_else(PoisonError::into_inner);
        let path = self.path().join(name);
        fs::create_dir_all(parent_of(&path))?;
        write_atomic(&path, bytes)
    }

    /// Where it grows.
    pub(crate) fn path(&self) -> PathBuf {
        self.hidden().join(NEW)
    }

    /// The place that it will take.
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    fn hidden(&self) -> &Path {
        let staging = self.staging.as_ref();
        staging.expect("it is there until this is dropped").path()
    }

    /// Takes its place. A folder that is there goes, if `may_replace` has nothing against it.
    ///
    /// # Errors
    /// What `may_replace` says of the folder that is there, or what the system says; that folder
    /// stays then.
    pub fn publish(self, may_replace: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        // The process must not end in between: see `discard_unfinished`.
        let unfinished = unfinished();
        let (new, old) = (self.path(), self.hidden().join(OLD));
        let name = self.destination.file_name().expect("it was begun with one");
        let replaced = old.join(name);
        let mut tries = 100;
        loop {
            if self.destination.exists() {
                may_replace(&self.destination)?;
                match fs::rename(&self.destination, &replaced) {
                    // Another process has just taken it away.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    outcome => outcome?,
                }
            }
            tries -= 1;
            match fs::rename(&new, &self.destination) {
                Ok(()) => break,
                // Another process has just put one there, which is newer than the one taken away.
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

    /// One file in it takes the place instead, and replaces a file that is there; all others are gone then.
    ///
    /// # Errors
    /// What the system says; what was there stays then.
    pub(crate) fn publish_file(self, name: &str) -> io::Result<()> {
        // The process must not end in between: see `discard_unfinished`.
        let unfinished = unfinished();
        fs::rename(self.path().join(name), &self.destination)?;
        keep(&self.destination);
        drop(unfinished);
        Ok(())
    }
}

/// Lets a new name outlast a loss of power; where a folder cannot be synced, the system does it in its own time.
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

/// Makes the lock's file and takes the lock.
fn locked(folder: &Path) -> io::Result<File> {
    let path = folder.join(LOCK);
    let lock = File::create(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        // Some network disks have no locks; names are still this process's own.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
    }
    // Another process may have cleared the folder away before it was locked.
    fs::metadata(&path)?;
    Ok(lock)
}

/// Clears away what killed processes left of their [`StagedFolder`]s and of
/// [`write_atomic`](crate::write_atomic)'s files in `folder`, and puts back folders that they had
/// moved. What cannot be removed stays, hidden.
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
        // Not begun yet, or half removed; only an empty folder goes like this.
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

/// Removes all folders that this process has begun and not published, for a program that is about
/// to end. Threads that write into one, begin one or publish one wait from then on.
pub fn discard_unfinished() {
    let unfinished = unfinished();
    for folder in unfinished.iter() {
        let _ = fs::remove_dir_all(folder);
    }
    // The lock is never freed: what other threads are about to write must not appear any more.
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
    fn it_has_its_name_only_when_it_is_published() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("deep/maps");
        let folder = staged(&place, "a");
        assert!(!place.exists());
        folder.publish(&any).unwrap();
        assert_eq!(names(&place), ["a"]);
        assert_eq!(names(&home.path().join("deep")), ["maps"]);
    }

    #[test]
    fn it_replaces_the_whole_of_what_was_there() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("maps");
        staged(&place, "old").publish(&any).unwrap();
        staged(&place, "new").publish(&any).unwrap();
        assert_eq!(names(&place), ["new"]);
        assert_eq!(names(home.path()), ["maps"]);
    }

    #[test]
    fn what_must_not_be_replaced_stays() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("maps");
        staged(&place, "old").publish(&any).unwrap();
        let no = |_: &Path| Err(io::Error::other("no"));
        assert!(staged(&place, "new").publish(&no).is_err());
        assert_eq!(names(&place), ["old"]);
        assert_eq!(names(home.path()), ["maps"]);
    }

    #[test]
    fn one_that_is_dropped_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        drop(staged(&home.path().join("maps"), "a"));
        assert!(names(home.path()).is_empty());
    }

    #[test]
    fn many_at_once_leave_one_whole_folder() {
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

    /// As a process leaves it that was killed after it had moved the old folder away.
    fn killed(home: &Path) -> PathBuf {
        let hidden = home.join(format!("{PREFIX}x{SUFFIX}"));
        fs::create_dir_all(hidden.join(NEW)).unwrap();
        fs::create_dir_all(hidden.join(OLD).join("maps")).unwrap();
        fs::write(hidden.join(OLD).join("maps/precious"), "").unwrap();
        fs::write(hidden.join(LOCK), "").unwrap();
        hidden
    }

    #[test]
    fn what_a_killed_process_had_moved_comes_back() {
        let home = tempfile::tempdir().unwrap();
        killed(home.path());
        clear_unfinished(home.path());
        assert_eq!(names(home.path()), ["maps"]);
        assert_eq!(names(&home.path().join("maps")), ["precious"]);
    }

    #[test]
    fn what_a_killed_process_had_replaced_does_not_come_back() {
        let home = tempfile::tempdir().unwrap();
        killed(home.path());
        fs::create_dir(home.path().join("maps")).unwrap();
        clear_unfinished(home.path());
        assert_eq!(names(home.path()), ["maps"]);
        assert!(names(&home.path().join("maps")).is_empty());
    }

    #[test]
    fn what_another_process_works_on_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("maps");
        let folder = staged(&place, "a");
        clear_unfinished(home.path());
        folder.publish(&any).unwrap();
        assert_eq!(names(&place), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_stays_a_link() {
        let home = tempfile::tempdir().unwrap();
        let (real, link) = (home.path().join("real"), home.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        staged(&link, "a").publish(&any).unwrap();
        assert_eq!(names(&real), ["a"]);
        assert!(link.is_symlink());
    }
}
