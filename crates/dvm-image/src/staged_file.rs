//! A file that grows for a long time, and is there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use crate::folder::{StagedFolder, clear_unfinished, parent_of};

/// A file that is written piece by piece in a hidden folder beside its place, and takes its place in one step.
/// Dropped before that, it leaves nothing; if the process is killed, the next one that begins a file in the same
/// folder clears away what it left.
pub struct StagedFile {
    staged: StagedFolder,
    file: BufWriter<File>,
}

/// The name of the file while it grows.
const NAME: &str = "file";

/// The name of a file that is only needed meanwhile.
const SCRATCH: &str = "scratch";

impl StagedFile {
    /// Begins a file; the folder that it is for is made if it is missing.
    ///
    /// # Errors
    /// If `destination` is a folder, or nothing can be written beside it.
    pub fn begin(destination: &Path) -> io::Result<Self> {
        if destination.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        clear_unfinished(parent_of(destination));
        let staged = StagedFolder::begin(destination)?;
        let file = BufWriter::new(File::create(staged.path().join(NAME))?);
        Ok(Self { staged, file })
    }

    /// An empty file beside it, to write and to read again, that goes when this one is published or dropped. There
    /// is one.
    ///
    /// # Errors
    /// What the system says, also if there is one already.
    pub fn scratch(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(self.staged.path().join(SCRATCH))
    }

    /// Takes its place, with all bytes on the disk; a file that is there is replaced. The number of its bytes.
    ///
    /// # Errors
    /// What the system says; what was there stays then.
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
    fn it_has_its_name_only_when_it_is_published() {
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
    fn what_was_there_is_replaced_by_publishing_alone() {
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
    fn a_folder_is_refused_before_anything_is_written() {
        let home = tempfile::tempdir().unwrap();
        let refused = StagedFile::begin(home.path()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn what_is_only_needed_meanwhile_can_be_read_again() {
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
