//! The event file of a run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{EpochRecord, StepRecord};

use super::message::{What, event};
use super::names::{Metric, Names};
use super::record::record;

/// An event file that grows: TensorBoard shows what is written as soon as it is.
///
/// Each record is handed to the system whole and at once. A process that is killed can leave at most
/// the last record torn, which TensorBoard passes over; nothing is ever written after it, because
/// whoever goes on with a run does so in a file of its own, which TensorBoard reads after this one.
///
/// A start (see [`Events::create`]) holds for all tags, but tags of epochs count epochs and those of
/// steps count steps. So it is the first epoch that is trained again, and whoever resumes writes the
/// steps after it that still hold once more. Wall times are in seconds since 1970.
#[derive(Debug)]
pub struct Events {
    file: File,
    path: PathBuf,
}

impl Events {
    /// Begins a file `events.out.tfevents.<seconds>.<host>.<process>` in `folder`, which is made if
    /// it is missing.
    ///
    /// With `start_step`, a run goes on: TensorBoard then drops what earlier files of this folder
    /// hold for that step and later ones. It is the first step that will be written again.
    ///
    /// # Errors
    /// If the folder or the file cannot be made or written.
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
        events.write(now, start_step.unwrap_or(0), &What::Version)?;
        if let Some(step) = start_step {
            events.write(now, step, &What::Start)?;
        }
        Ok(events)
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One point of the curve `tag`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, wall_time: f64, value: f32) -> io::Result<()> {
        self.write(wall_time, step, &What::Scalar { tag, value })
    }

    /// All that `record` says, under `names`; the step is the epoch.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn epoch(&mut self, names: Names, wall_time: f64, record: &EpochRecord) -> io::Result<()> {
        let step = record.epoch as u64;
        for (metric, value) in [
            (Metric::TrainLoss, Some(record.train_loss)),
            (Metric::TrainAccuracy, Some(record.train_accuracy)),
            (Metric::ValidationLoss, record.val_loss),
            (Metric::ValidationAccuracy, record.val_accuracy),
            (Metric::LearningRate, Some(record.learning_rate)),
            (Metric::EpochSeconds, Some(record.seconds)),
            (Metric::ImagesPerSecond, Some(record.images_per_second)),
        ] {
            if let Some(value) = value {
                self.scalar(names.tag(metric), step, wall_time, value as f32)?;
            }
        }
        Ok(())
    }

    /// Loss and learning rate of a step of the optimiser, as `step/loss` and `step/learning_rate`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn step(&mut self, wall_time: f64, record: &StepRecord) -> io::Result<()> {
        self.scalar("step/loss", record.step, wall_time, record.loss as f32)?;
        let rate = record.learning_rate as f32;
        self.scalar("step/learning_rate", record.step, wall_time, rate)
    }

    /// A picture: `png` holds `height` rows of `width` pixels.
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
        let image = What::Image {
            tag,
            png,
            width,
            height,
        };
        self.write(wall_time, step, &image)
    }

    /// A text in Markdown; lines that begin with four spaces are shown as they are.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn text(&mut self, tag: &str, step: u64, wall_time: f64, markdown: &str) -> io::Result<()> {
        self.write(wall_time, step, &What::Text { tag, markdown })
    }

    /// Waits until everything that was written is on the disk: before a checkpoint that counts on
    /// it, once an epoch.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&mut self, wall_time: f64, step: u64, what: &What) -> io::Result<()> {
        self.file.write_all(&record(&event(wall_time, step, what)))
    }
}

const PREFIX: &str = "events.out.tfevents.";

/// A time later than that in the name of every event file of `folder`, or 0.
///
/// TensorBoard reads the files of a folder in the order of their names. A run that is killed and
/// goes on within a second, or after the clock was set back, would otherwise be read the wrong way.
fn seconds_after_all_in(folder: &Path) -> io::Result<u64> {
    let mut after = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let seconds = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('.').next())
            .and_then(|seconds| seconds.parse::<u64>().ok());
        // Eleven digits come in the year 2286 and would sort before ten.
        if let Some(seconds) = seconds.filter(|&seconds| seconds < 9_999_999_999) {
            after = after.max(seconds + 1);
        }
    }
    Ok(after)
}

/// The wall time at this moment, in seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}

/// Name of this machine, for the file's name only.
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

    /// One black pixel, by Pillow. Its bytes only have to arrive.
    const PNG: &[u8] = include_bytes!("../../tests/references/pixel.png");

    #[test]
    fn bytes_are_those_of_tensorboards_own_package() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut events = Events {
            file: File::create(&path).unwrap(),
            path: path.clone(),
        };
        let time = 1_764_000_000.25;
        events.write(time, 0, &What::Version).unwrap();
        events.write(time, 5, &What::Start).unwrap();
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
    fn a_run_that_goes_on_writes_a_file_that_is_read_later() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("run/events");
        let first = Events::create(&runs, None).unwrap();
        let second = Events::create(&runs, Some(4)).unwrap();
        assert!(first.path() < second.path());
        // The clock was set back by decades, or the file is from the future.
        fs::write(runs.join("events.out.tfevents.4000000000.h.1"), "").unwrap();
        let third = Events::create(&runs, Some(5)).unwrap();
        let name = third.path().file_name().unwrap().to_str().unwrap();
        assert!(
            name.starts_with("events.out.tfevents.4000000001."),
            "{name}"
        );
    }

    #[test]
    fn files_of_others_do_not_disturb() {
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
    fn a_new_file_begins_with_the_version_and_a_start_only_where_a_run_goes_on() {
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
