//! Training as lines of text, for log files and simple terminals.

use std::io::{self, Write};
use std::time::Duration;

use dvm::training::{EpochRecord, TrainingEvent};

use super::estimate::Work;
use super::{History, duration_words, left_words, percent};
use crate::report::escaped;
use crate::train::advice;

/// Shortest time between two lines about steps.
const PAUSE: Duration = Duration::from_secs(30);

/// Writes a line per epoch, and one every [`PAUSE`] within an epoch.
pub struct Lines<W> {
    out: W,
    history: History,
    /// Time of the last line.
    last: Duration,
}

impl<W: Write> Lines<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            history: History::new(),
            last: Duration::ZERO,
        }
    }

    /// Writes about an event, `now` after the start of the process.
    pub fn show(&mut self, event: &TrainingEvent, now: Duration) -> io::Result<()> {
        self.history.take(event, now);
        let line = match event {
            TrainingEvent::Step { .. } if now < self.last + PAUSE => return Ok(()),
            TrainingEvent::Step { .. } => work_line(&self.history, now),
            // Work before the first step gets one line at its end.
            TrainingEvent::Phase { phase, done, total } => {
                let prepared = Work::from(*phase).is_preparation() && done == total;
                if !prepared && now < self.last + PAUSE {
                    return Ok(());
                }
                work_line(&self.history, now)
            }
            other => line(other, &self.history),
        };
        self.last = now;
        writeln!(self.out, "{}", escaped(&line))
    }
}

/// The line about an event other than a step.
pub fn line(event: &TrainingEvent, history: &History) -> String {
    match event {
        TrainingEvent::Started {
            model,
            training,
            validation,
            first_epoch,
            epochs,
            ..
        } => {
            let resumed = if *first_epoch > 1 { ", resumed" } else { "" };
            format!(
                "{model}: {training} training and {validation} validation pictures, epochs \
                 {first_epoch} to {epochs}{resumed}"
            )
        }
        TrainingEvent::Step { .. } | TrainingEvent::Phase { .. } => {
            work_line(history, Duration::ZERO)
        }
        TrainingEvent::Trouble(trouble) => advice::warning(trouble),
        TrainingEvent::Epoch(record) => epoch_line(record, history.epochs),
        TrainingEvent::Message(message) => message.clone(),
        TrainingEvent::Finished {
            best_epoch,
            best_accuracy,
            duration,
        } => {
            let best = match (best_epoch, best_accuracy) {
                (Some(epoch), Some(accuracy)) => {
                    format!("; best: epoch {epoch}, accuracy {}", percent(*accuracy))
                }
                (Some(epoch), None) => format!("; best: epoch {epoch}"),
                (None, _) => String::new(),
            };
            format!(
                "trained for {}{best}",
                duration_words(duration.as_secs_f64())
            )
        }
    }
}

fn work_line(history: &History, now: Duration) -> String {
    let estimate = &history.estimate;
    let work = estimate.work;
    let at = format!("{} {} of {}", work.name(), estimate.done, estimate.total);
    let left = match history.left(now) {
        Some(left) => format!(", {}", left_words(left)),
        None => String::new(),
    };
    let epoch = format!("epoch {} of {}", history.epoch, history.epochs);
    match (work, history.train) {
        (Work::Preparing(name), _) => {
            format!("{name}: {} of {}", estimate.done, estimate.total)
        }
        (Work::ReportEvaluation | Work::ReportMaps, _) => format!("{at}{left}"),
        (Work::Steps, Some((loss, accuracy))) => format!(
            "{epoch}, {at}: loss {loss:.4}, accuracy {}, {:.1} pictures/s{left}",
            percent(accuracy),
            history.images_per_second,
        ),
        _ => format!("{epoch}, {at}{left}"),
    }
}

fn epoch_line(record: &EpochRecord, epochs: usize) -> String {
    let validation = match (record.val_loss, record.val_accuracy) {
        (Some(loss), Some(accuracy)) => {
            let best = if record.best { ", best so far" } else { "" };
            format!(
                "; validation: loss {loss:.4}, accuracy {}{best}",
                percent(accuracy)
            )
        }
        _ => String::new(),
    };
    format!(
        "epoch {} of {epochs} in {}: loss {:.4}, accuracy {}{validation}",
        record.epoch,
        duration_words(record.seconds),
        record.train_loss,
        percent(record.train_accuracy),
    )
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::{record, started, step};
    use super::*;

    #[test]
    fn there_is_a_line_for_each_epoch_and_one_every_30_seconds_for_steps() {
        let mut lines = Lines::new(Vec::new());
        let finished = TrainingEvent::Finished {
            best_epoch: Some(2),
            best_accuracy: Some(0.85),
            duration: Duration::from_secs(3725),
        };
        for (event, seconds) in [
            (started(), 0),
            (step(1, 1), 10),
            (step(1, 2), 31),
            (step(1, 3), 40),
            (TrainingEvent::Epoch(record(1)), 50),
            (
                TrainingEvent::Message("daisy/7.jpg cannot be read".into()),
                51,
            ),
            (step(2, 1), 70),
            (
                TrainingEvent::Epoch(EpochRecord {
                    best: false,
                    ..record(2)
                }),
                90,
            ),
            (
                TrainingEvent::Epoch(EpochRecord {
                    val_loss: None,
                    val_accuracy: None,
                    ..record(3)
                }),
                95,
            ),
            (finished, 100),
        ] {
            lines.show(&event, Duration::from_secs(seconds)).unwrap();
        }
        let written = String::from_utf8(lines.out).unwrap();
        let expected = [
            "resnet18: 80 training and 20 validation pictures, epochs 1 to 3",
            "epoch 1 of 3, step 2 of 4: loss 1.1667, accuracy 63.3 %, 17.2 pictures/s, more than 2 min 56 s left",
            "epoch 1 of 3 in 10 s: loss 1.0000, accuracy 60.0 %; validation: loss 0.9000, accuracy 70.0 %, \
             best so far",
            "daisy/7.jpg cannot be read",
            "epoch 2 of 3 in 10 s: loss 0.5000, accuracy 80.0 %; validation: loss 0.4500, accuracy 85.0 %",
            "epoch 3 of 3 in 10 s: loss 0.3333, accuracy 86.7 %",
            "trained for 1 h 02 min; best: epoch 2, accuracy 85.0 %",
        ];
        assert_eq!(written.lines().collect::<Vec<_>>(), expected);
    }
}
