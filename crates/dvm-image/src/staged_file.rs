//! Atomic writing of a file piece by piece.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use crate::folder::{StagedFolder, clear_unfinished, parent_of};

/// A file that is written piece by piece in a hidden folder beside its destination, and then moved
/// there in one step. If it is dropped before, nothing is left. If the process is killed, the next
/// one that starts a file in the same folder removes the leftovers.
pub struct StagedFile {
    staged: StagedFolder,
    file: BufWriter<File>,
}

/// The name of the unfinished file.
const NAME: &str = "file";

/// The name of a temporary file.
const SCRATCH: &str = "scratch";

impl StagedFile {
    /// Starts a file. A missing folder is created.
    ///
    /// # Errors
    /// If `destination` is a folder, or its parent folder is not writable.
    pub fn begin(destination: &Path) -> io::Result<Self> {
        if destination.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        clear_unfinished(parent_of(destination));
        let staged = StagedFolder::begin(destination)?;
        let file = BufWriter::new(File::create(staged.path().join(NAME))?);
        Ok(Self { staged, file })
    }

    /// Creates a temporary file for writing and reading, which is removed when this file is
    /// published or dropped. There can be only one.
    ///
    /// # Errors
    /// If it cannot be created, or exists already.
    pub fn scratch(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(self.staged.path().join(SCRATCH))
    }

    /// Syncs the file and moves it to its destination, replacing an existing file. Returns its size
    /// in bytes.
    ///
    /// # Errors
    /// If it cannot be written or moved; the existing file is kept then.
    pub fn publish(self) -> io::Result<u64> {
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        drop(file);
        self.staged.publish_file(NAME)?;
        Ok(bytes)
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn the_file_appears_only_when_it_is_published() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("deep/report.html");
        let mut file = StagedFile::begin(&place).unwrap();
        file.write_all(b"whole").unwrap();
        file.flush().unwrap();
        assert!(!place.exists());
        assert_eq!(file.publish().unwrap(), 5);
        assert_eq!(fs::read(&place).unwrap(), b"whole");
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn an_existing_file_is_replaced_only_by_publishing() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("report.html");
        fs::write(&place, "earlier").unwrap();
        let mut file = StagedFile::begin(&place).unwrap();
        file.write_all(b"half").unwrap();
        file.scratch().unwrap().write_all(b"notes").unwrap();
        drop(file);
        assert_eq!(fs::read(&place).unwrap(), b"earlier");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        StagedFile::begin(&place).unwrap().publish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"");
    }

    #[test]
    fn a_folder_as_destination_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let refused = StagedFile::begin(home.path()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn the_temporary_file_can_be_read_back() {
        let home = tempfile::tempdir().unwrap();
        let file = StagedFile::begin(&home.path().join("report.html")).unwrap();
        let mut scratch = file.scratch().unwrap();
        scratch.write_all(b"notes").unwrap();
        scratch.rewind().unwrap();
        let mut text = String::new();
        scratch.read_to_string(&mut text).unwrap();
        assert_eq!(text, "notes");
        file.publish().unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
