//! The event file of a run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{EpochRecord, StepRecord};

use super::message::{EventKind, event};
use super::names::TagNames;
use super::record::record;

/// An event file. TensorBoard shows new events as soon as they are written. Each record is written
/// with one system call. If a process is killed, at most the last record is incomplete, and
/// TensorBoard ignores it. A resumed run writes a new file, which TensorBoard reads after this one.
/// A start event (see [`Events::create`]) applies to all tags, but some tags count epochs and
/// others count steps. Its number is the first epoch that is trained again; a resumed run writes
/// the valid steps with larger numbers again. Wall times are in seconds since 1970.
#[derive(Debug)]
pub struct Events {
    file: File,
    path: PathBuf,
}

impl Events {
    /// Creates the file `events.out.tfevents.<seconds>.<host>.<process>` in `folder`, and the
    /// folder if it is missing. A resumed run gives `start_step`, the first step that it will write
    /// again. TensorBoard then drops the events of earlier files from that step on.
    ///
    /// # Errors
    /// If the folder or the file cannot be created or written.
    pub fn create(folder: &Path, start_step: Option<u64>) -> io::Result<Events> {
        fs::create_dir_all(folder)?;
        let now = now();
        let seconds = seconds_after_all_in(folder)?.max(now as u64);
        let process = std::process::id();
        let path = folder.join(format!("{PREFIX}{seconds:010}.{}.{process}", host()));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)?;
        let mut events = Events { file, path };
        events.write(now, start_step.unwrap_or(0), &EventKind::Version)?;
        if let Some(step) = start_step {
            events.write(now, step, &EventKind::Start)?;
        }
        Ok(events)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a point to the curve `tag`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, wall_time: f64, value: f32) -> io::Result<()> {
        self.write(wall_time, step, &EventKind::Scalar { tag, value })
    }

    /// Adds the values of `record`; the step is the epoch.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn epoch(
        &mut self,
        names: TagNames,
        wall_time: f64,
        record: &EpochRecord,
    ) -> io::Result<()> {
        let step = record.epoch as u64;
        let [loss, accuracy, val_loss, val_accuracy] = names.losses_and_accuracies();
        for (tag, value) in [
            // Losses are means; accuracies are from 0 to 1.
            (loss, Some(record.train_loss)),
            (accuracy, Some(record.train_accuracy)),
            (val_loss, record.val_loss),
            (val_accuracy, record.val_accuracy),
            ("learning_rate", Some(record.learning_rate)),
            ("seconds/epoch", Some(record.seconds)),
            ("images_per_second", Some(record.images_per_second)),
        ] {
            if let Some(value) = value {
                self.scalar(tag, step, wall_time, value as f32)?;
            }
        }
        Ok(())
    }

    /// Adds loss and learning rate of a training step, as `step/loss` and `step/learning_rate`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn step(&mut self, wall_time: f64, record: &StepRecord) -> io::Result<()> {
        self.scalar("step/loss", record.step, wall_time, record.loss as f32)?;
        let rate = record.learning_rate as f32;
        self.scalar("step/learning_rate", record.step, wall_time, rate)
    }

    /// Adds a picture; `png` has `height` rows of `width` pixels.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn image(
        &mut self,
        tag: &str,
        step: u64,
        wall_time: f64,
        png: &[u8],
        width: u32,
        height: u32,
    ) -> io::Result<()> {
        let image = EventKind::Image {
            tag,
            png,
            width,
            height,
        };
        self.write(wall_time, step, &image)
    }

    /// Adds a text in Markdown; lines that start with four spaces are code.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn text(&mut self, tag: &str, step: u64, wall_time: f64, markdown: &str) -> io::Result<()> {
        self.write(wall_time, step, &EventKind::Text { tag, markdown })
    }

    /// Waits until all events are on the disk. Called once per epoch, before the checkpoint.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&mut self, wall_time: f64, step: u64, what: &EventKind) -> io::Result<()> {
        self.file.write_all(&record(&event(wall_time, step, what)))
    }
}

const PREFIX: &str = "events.out.tfevents.";

/// A time after that of every event file in `folder`, or 0. TensorBoard reads files in the order of
/// their names. Without this, the order would be wrong if a run is resumed within a second or the
/// clock is set back.
fn seconds_after_all_in(folder: &Path) -> io::Result<u64> {
    let mut after = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let seconds = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('.').next())
            .and_then(|seconds| seconds.parse::<u64>().ok());
        // A time of eleven digits (from the year 2286) would sort before ten digits.
        if let Some(seconds) = seconds.filter(|&seconds| seconds < 9_999_999_999) {
            after = after.max(seconds + 1);
        }
    }
    Ok(after)
}

/// The current time in seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}

/// The name of this machine, for the file name.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .unwrap_or_default();
    let kept: String = name
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .take(64)
        .collect();
    if kept.is_empty() {
        "localhost".into()
    } else {
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `references/tensorboard_events.py` wrote it with the records of TensorBoard's own package.
    const REFERENCE: &[u8] = include_bytes!("../../tests/references/events.tfevents");

    /// One black pixel, by Pillow.
    const PNG: &[u8] = include_bytes!("../../tests/references/pixel.png");

    #[test]
    fn bytes_equal_those_of_tensorboards_own_package() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut events = Events {
            file: File::create(&path).unwrap(),
            path: path.clone(),
        };
        let time = 1_764_000_000.25;
        events.write(time, 0, &EventKind::Version).unwrap();
        events.write(time, 5, &EventKind::Start).unwrap();
        events.scalar("loss/train", 0, time, 0.0).unwrap();
        events.scalar("loss/train", 1, time + 1.0, 0.125).unwrap();
        events.scalar("loss/val", 300, time, f32::NAN).unwrap();
        events
            .scalar("accuracy/val", 1 << 40, time, -1.5e-20)
            .unwrap();
        events
            .image("maps/tulips 1", 129, time, PNG, 200, 1)
            .unwrap();
        let long = "| ключ | value |\n|---|---|\n".repeat(20);
        events.text("config", 0, time, &long).unwrap();
        assert_eq!(fs::read(&path).unwrap(), REFERENCE);
    }

    #[test]
    fn the_file_of_a_resumed_run_sorts_after_earlier_ones() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("run/events");
        let first = Events::create(&runs, None).unwrap();
        let second = Events::create(&runs, Some(4)).unwrap();
        assert!(first.path() < second.path());
        // A file from the future, or a clock that was set back.
        fs::write(runs.join("events.out.tfevents.4000000000.h.1"), "").unwrap();
        let third = Events::create(&runs, Some(5)).unwrap();
        let name = third.path().file_name().unwrap().to_str().unwrap();
        assert!(
            name.starts_with("events.out.tfevents.4000000001."),
            "{name}"
        );
    }

    #[test]
    fn other_files_in_the_folder_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "events.out.tfevents.",
            "events.out.tfevents.99999999999999999999999",
            "events.out.tfevents.18446744073709551615.h.1",
            "events.out.tfevents.x.y",
            "notes.txt",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let events = Events::create(folder.path(), None).unwrap();
        assert!(events.path().exists());
    }

    #[test]
    fn a_file_starts_with_the_version_and_a_resumed_one_with_a_start_event() {
        let folder = tempfile::tempdir().unwrap();
        let contains = |path: &Path, bytes: &[u8]| {
            let content = fs::read(path).unwrap();
            content.windows(bytes.len()).any(|window| window == bytes)
        };
        let start = [7 << 3 | 2, 2, 1 << 3, 1];
        let first = Events::create(folder.path(), None).unwrap();
        assert!(contains(first.path(), b"brain.Event:2"));
        assert!(!contains(first.path(), &start));
        let second = Events::create(folder.path(), Some(0)).unwrap();
        assert!(contains(second.path(), &start));
    }
}
