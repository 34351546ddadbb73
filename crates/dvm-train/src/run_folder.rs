//! What is kept of a run, and where.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use dvm_image::write_atomic;

use crate::progress::EpochRecord;
use crate::{Config, Error};

/// The folder of a run. As long as this value lives, no other process trains into it.
pub struct RunFolder {
    folder: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes the folder of a new run and writes its `config.toml`.
    ///
    /// # Errors
    /// [`Error::Run`] if there is a run already, or another process trains there; [`Error::File`].
    pub fn create(folder: &Path, config: &Config) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let run = Self::locked(folder)?;
        if run.config_path().exists() {
            return Err(Error::Run {
                folder: folder.into(),
                detail: "holds a run already; go on with it by --resume, or choose another folder \
                         by --out"
                    .into(),
            });
        }
        run.write(&run.config_path(), config.to_toml().as_bytes())?;
        Ok(run)
    }

    /// Opens the folder of a run that is to go on, with its configuration.
    ///
    /// # Errors
    /// [`Error::Run`] if there is none, or another process trains there; [`Error::Config`].
    pub fn open(folder: &Path) -> Result<(Self, Config), Error> {
        let path = folder.join("config.toml");
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Run {
                folder: folder.into(),
                detail: "holds no run: it has no config.toml".into(),
            },
            _ => Error::File {
                path: path.clone(),
                source: error,
            },
        })?;
        Ok((Self::locked(folder)?, Config::from_toml(&text)?))
    }

    fn locked(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(".lock");
        let lock = OpenOptions::new().create(true).append(true).open(&path);
        let lock = lock.map_err(Error::file(&path))?;
        // File systems without locks are let through: a lock is a help, not a promise.
        if let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Error::Run {
                folder: folder.into(),
                detail: "another process is training there; wait for it, or stop it".into(),
            });
        }
        // What a process that was killed had not finished writing.
        for entry in fs::read_dir(folder).map_err(Error::file(folder))?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(".dvm-") && name.ends_with(".part") {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self {
            folder: folder.into(),
            _lock: lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The configuration with every value said.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The weights of the best epoch.
    pub fn best_path(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// The checkpoint to go on from.
    pub fn last_path(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// A line of JSON for each epoch.
    pub fn metrics_path(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    /// Where pictures and tables about the run go.
    pub fn report_path(&self) -> PathBuf {
        self.folder.join("report")
    }

    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`]: a full disk leaves what was there before.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        write_atomic(path, bytes).map_err(Error::file(path))
    }

    /// The records of the first `epochs` epochs. Later ones, which a run that was killed wrote
    /// after its last checkpoint, are taken out of the file, and so is half a line.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn records(&self, epochs: u64) -> Result<Vec<EpochRecord>, Error> {
        let path = self.metrics_path();
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file(&path)(error)),
        };
        let mut kept: Vec<EpochRecord> = Vec::new();
        for line in text.lines() {
            let Ok(record) = serde_json::from_str::<EpochRecord>(line) else {
                continue;
            };
            if record.epoch as u64 <= epochs && record.epoch == kept.len() + 1 {
                kept.push(record);
            }
        }
        let lines: String = kept.iter().map(line_of).collect();
        if lines != text {
            self.write(&path, lines.as_bytes())?;
        }
        Ok(kept)
    }

    /// Adds the record of an epoch.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn add_record(&self, record: &EpochRecord) -> Result<(), Error> {
        let path = self.metrics_path();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(line_of(record).as_bytes()))
            .map_err(Error::file(&path))
    }
}

fn line_of(record: &EpochRecord) -> String {
    let mut line = serde_json::to_string(record).expect("numbers can be written");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::resolve(None, None, &[("data".into(), "flowers".into())]).unwrap()
    }

    fn record(epoch: usize) -> EpochRecord {
        EpochRecord {
            epoch,
            train_loss: 0.5,
            train_accuracy: 0.5,
            val_loss: None,
            val_accuracy: None,
            learning_rate: 0.1,
            seconds: 1.0,
            images_per_second: 1.0,
            best: false,
        }
    }

    #[test]
    fn a_second_run_in_the_same_folder_is_refused_and_the_first_can_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), &config()).unwrap();
        fs::write(folder.path().join(".dvm-x.part"), b"half").unwrap();
        let busy = RunFolder::open(folder.path()).err().unwrap().to_string();
        assert!(busy.contains("another process"), "{busy}");
        drop(run);
        let taken = RunFolder::create(folder.path(), &config()).err().unwrap();
        assert!(taken.to_string().contains("--resume"), "{taken}");
        assert_eq!(RunFolder::open(folder.path()).unwrap().1, config());
        assert!(!folder.path().join(".dvm-x.part").exists());
    }

    #[test]
    fn a_folder_without_a_run_cannot_be_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let error = RunFolder::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("holds no run"), "{error}");
    }

    #[test]
    fn records_after_the_checkpoint_and_half_a_line_are_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), &config()).unwrap();
        for epoch in 1..=3 {
            run.add_record(&record(epoch)).unwrap();
        }
        let mut file = OpenOptions::new()
            .append(true)
            .open(run.metrics_path())
            .unwrap();
        file.write_all(b"{\"epoch\": 4, \"tr").unwrap();
        assert_eq!(run.records(2).unwrap(), [record(1), record(2)]);
        run.add_record(&record(3)).unwrap();
        let lines = fs::read_to_string(run.metrics_path()).unwrap();
        assert_eq!(lines.lines().count(), 3);
    }
}
