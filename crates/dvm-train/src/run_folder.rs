//! The folder of a run and its files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use dvm_image::write_atomic;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::progress::{EpochRecord, StepRecord};
use crate::{Config, Error};

/// The folder of a run, locked against other processes while this value exists.
pub struct RunFolder {
    folder: PathBuf,
    _lock: File,
}

/// What happens if the folder of a new run has a run already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is kept, and the new run is an error. A run without weights is replaced.
    Kept,
    /// It is replaced.
    Replaced,
}

/// The prefix of TensorBoard's event files.
const EVENTS: &str = "events.out.tfevents.";

impl RunFolder {
    /// Creates the folder of a new run and writes its `config.toml`. Other files in it are kept.
    ///
    /// # Errors
    /// [`Error::RunExists`], [`Error::Run`] if another process trains there, [`Error::File`].
    pub fn create(folder: &Path, config: &Config, existing: Existing) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let run = Self::locked(folder)?;
        if run.config_path().exists() {
            if existing == Existing::Kept && run.has_weights() {
                return Err(Error::RunExists {
                    folder: folder.into(),
                });
            }
            run.clear()?;
        }
        run.write(&run.config_path(), config.to_toml().as_bytes())?;
        Ok(run)
    }

    /// Whether a new run can use this folder without replacing weights.
    pub fn is_free(folder: &Path) -> bool {
        let saved = ["best.safetensors", "last.safetensors"];
        let holds_run = folder.join("config.toml").exists();
        let saves = || saved.iter().any(|name| folder.join(name).exists());
        // A run that another process has just started has not saved weights either.
        let busy = || {
            let lock = File::open(folder.join(".lock"));
            lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)))
        };
        !folder.exists() || (holds_run && !saves() && !busy())
    }

    fn has_weights(&self) -> bool {
        self.best_path().exists() || self.last_path().exists()
    }

    /// Removes the files of a run, the configuration last.
    fn clear(&self) -> Result<(), Error> {
        let mut files = vec![
            self.last_path(),
            self.best_path(),
            self.metrics_path(),
            self.steps_path(),
        ];
        for entry in fs::read_dir(&self.folder)
            .map_err(Error::file(&self.folder))?
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(EVENTS) {
                files.push(entry.path());
            }
        }
        let report = self.report_path();
        if report.is_dir() {
            fs::remove_dir_all(&report).map_err(Error::file(&report))?;
        }
        files.push(self.config_path());
        for file in files {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::file(&file)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Opens the folder of a run to resume it, and reads its configuration.
    ///
    /// # Errors
    /// [`Error::Run`] if there is no run or another process trains there; [`Error::Config`].
    pub fn open(folder: &Path) -> Result<(Self, Config), Error> {
        let path = folder.join("config.toml");
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Run {
                folder: folder.into(),
                detail: "not a run folder: there is no config.toml".into(),
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
        // Some file systems have no locks; that is not an error.
        if let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Error::Run {
                folder: folder.into(),
                detail: "another process is training in this folder; wait for it, or stop it"
                    .into(),
            });
        }
        // Unfinished files of a killed process.
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

    /// The configuration with all values.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The weights of the best epoch.
    pub fn best_path(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// The checkpoint to resume from.
    pub fn last_path(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// The records of epochs, one JSON object per line.
    pub fn metrics_path(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    /// The records of steps, one JSON object per line.
    pub fn steps_path(&self) -> PathBuf {
        self.folder.join("steps.jsonl")
    }

    /// The folder of the report.
    pub fn report_path(&self) -> PathBuf {
        self.folder.join("report")
    }

    /// Writes a file atomically.
    ///
    /// # Errors
    /// [`Error::File`]; the old file is kept then.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        write_atomic(path, bytes).map_err(Error::file(path))
    }

    /// The records of the first `epochs` epochs. Later records, which a killed run wrote after its
    /// last checkpoint, are removed from the file, and so is an incomplete line.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn records(&self, epochs: u64) -> Result<Vec<EpochRecord>, Error> {
        let keep = |record: &EpochRecord, before: usize| {
            record.epoch as u64 <= epochs && record.epoch == before + 1
        };
        self.kept(&self.metrics_path(), keep)
    }

    /// The records of the first `steps` steps; later ones are removed from the file.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn steps(&self, steps: u64) -> Result<Vec<StepRecord>, Error> {
        let keep = |record: &StepRecord, before: usize| {
            record.step <= steps && record.step == before as u64 + 1
        };
        self.kept(&self.steps_path(), keep)
    }

    /// The records of a file up to the first for which `keep` is false; the rest is removed from
    /// the file.
    fn kept<T: Serialize + DeserializeOwned>(
        &self,
        path: &Path,
        keep: impl Fn(&T, usize) -> bool,
    ) -> Result<Vec<T>, Error> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file(path)(error)),
        };
        let mut kept: Vec<T> = Vec::new();
        for line in text.lines() {
            if let Ok(record) = serde_json::from_str::<T>(line)
                && keep(&record, kept.len())
            {
                kept.push(record);
            }
        }
        let lines: String = kept.iter().map(line_of).collect();
        if lines != text {
            self.write(path, lines.as_bytes())?;
        }
        Ok(kept)
    }

    /// Appends the record of an epoch.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn add_record(&self, record: &EpochRecord) -> Result<(), Error> {
        add(&self.metrics_path(), record)
    }

    /// Appends the record of a step.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn add_step(&self, record: &StepRecord) -> Result<(), Error> {
        add(&self.steps_path(), record)
    }
}

fn add(path: &Path, record: &impl Serialize) -> Result<(), Error> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line_of(record).as_bytes()))
        .map_err(Error::file(path))
}

fn line_of(record: &impl Serialize) -> String {
    let mut line = serde_json::to_string(record).expect("numbers can be written");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::resolve(None, None, &crate::config::of_flowers(&[])).unwrap()
    }

    fn created(folder: &Path) -> Result<RunFolder, Error> {
        RunFolder::create(folder, &config(), Existing::Kept)
    }

    fn record(epoch: usize) -> EpochRecord {
        EpochRecord {
            epoch,
            train_loss: 0.5,
            ..EpochRecord::default()
        }
    }

    #[test]
    fn a_second_process_in_the_same_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let run = created(folder.path()).unwrap();
        fs::write(folder.path().join(".dvm-x.part"), b"half").unwrap();
        let busy = RunFolder::open(folder.path()).err().unwrap().to_string();
        assert!(busy.contains("another process"), "{busy}");
        fs::write(run.best_path(), b"weights").unwrap();
        drop(run);
        assert!(!RunFolder::is_free(folder.path()));
        let taken = created(folder.path()).err().unwrap().to_string();
        assert!(taken.contains("has a run already"), "{taken}");
        assert_eq!(RunFolder::open(folder.path()).unwrap().1, config());
        assert!(!folder.path().join(".dvm-x.part").exists());
    }

    #[test]
    fn a_run_without_weights_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let run = created(folder.path()).unwrap();
        run.add_record(&record(1)).unwrap();
        fs::write(folder.path().join("events.out.tfevents.1.h.1"), b"").unwrap();
        fs::write(folder.path().join("notes.txt"), b"mine").unwrap();
        drop(run);
        assert!(RunFolder::is_free(folder.path()));
        let run = created(folder.path()).unwrap();
        assert!(!run.metrics_path().exists());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        left.retain(|entry| entry.file_name() != ".lock");
        assert_eq!(left.len(), 2, "config.toml and notes.txt: {left:?}");
    }

    #[test]
    fn a_run_with_weights_is_replaced_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let run = created(folder.path()).unwrap();
        fs::write(run.best_path(), b"weights").unwrap();
        fs::create_dir(run.report_path()).unwrap();
        drop(run);
        let taken = created(folder.path()).err().unwrap().to_string();
        assert!(taken.contains("has a run already"), "{taken}");
        assert!(folder.path().join("best.safetensors").exists());
        let run = RunFolder::create(folder.path(), &config(), Existing::Replaced).unwrap();
        assert!(!run.best_path().exists() && !run.report_path().exists());
    }

    #[test]
    fn resuming_a_folder_without_a_run_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = RunFolder::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("not a run folder"), "{error}");
    }

    #[test]
    fn records_after_the_checkpoint_and_an_incomplete_line_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let run = created(folder.path()).unwrap();
        for epoch in 1..=3 {
            run.add_record(&record(epoch)).unwrap();
        }
        let mut file = OpenOptions::new();
        let mut file = file.append(true).open(run.metrics_path()).unwrap();
        file.write_all(b"{\"epoch\": 4, \"tr").unwrap();
        assert_eq!(run.records(2).unwrap(), [record(1), record(2)]);
        run.add_record(&record(3)).unwrap();
        let lines = fs::read_to_string(run.metrics_path()).unwrap();
        assert_eq!(lines.lines().count(), 3);
    }
}
