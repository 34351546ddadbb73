//! A training in plain lines, for log files and for terminals that can do no more.

use std::io::{self, Write};
use std::time::Duration;

use dvm::training::{EpochRecord, TrainingEvent};

use super::estimate::Work;
use super::{History, left_words, percent, spoken};
use crate::report::escaped;
use crate::train::advice;

/// Between two lines about steps.
const PAUSE: Duration = Duration::from_secs(30);

/// Writes a line per epoch, and within an epoch one now and then.
pub struct Lines<W> {
    out: W,
    history: History,
    /// When something was last said.
    said: Duration,
}

impl<W: Write> Lines<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            history: History::new(),
            said: Duration::ZERO,
        }
    }

    /// Says what happened, `now` after the process began.
    pub fn see(&mut self, event: &TrainingEvent, now: Duration) -> io::Result<()> {
        self.history.take(event, now);
        let line = match event {
            TrainingEvent::Step { .. } if now < self.said + PAUSE => return Ok(()),
            TrainingEvent::Step { .. } => work_line(&self.history, now),
            // What comes before the first step is named once it is done.
            TrainingEvent::Phase { phase, done, total } => {
                let prepared = Work::from(*phase).is_preparation() && done == total;
                if !prepared && now < self.said + PAUSE {
                    return Ok(());
                }
                work_line(&self.history, now)
            }
            other => line(other, &self.history),
        };
        self.said = now;
        writeln!(self.out, "{}", escaped(&line))
    }
}

/// What is said of anything but a step.
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
                    format!("; best: epoch {epoch}, {} right", percent(*accuracy))
                }
                (Some(epoch), None) => format!("; best: epoch {epoch}"),
                (None, _) => String::new(),
            };
            format!("trained for {}{best}", spoken(duration.as_secs_f64()))
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
            "{epoch}, {at}: loss {loss:.4}, {} right, {:.1} images/s{left}",
            percent(accuracy),
            history.images_per_second,
        ),
        _ => format!("{epoch}, {at}{left}"),
    }
}

fn epoch_line(record: &EpochRecord, epochs: usize) -> String {
    let validation = match (record.val_loss, record.val_accuracy) {
        (Some(loss), Some(accuracy)) => {
            let best = if record.best { ", the best so far" } else { "" };
            format!(
                "; validation: loss {loss:.4}, {} right{best}",
                percent(accuracy)
            )
        }
        _ => String::new(),
    };
    format!(
        "epoch {} of {epochs} in {}: loss {:.4}, {} right{validation}",
        record.epoch,
        spoken(record.seconds),
        record.train_loss,
        percent(record.train_accuracy),
    )
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::{record, started, step};
    use super::*;

    #[test]
    fn a_line_for_each_epoch_and_now_and_then_one_for_steps() {
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
            lines.see(&event, Duration::from_secs(seconds)).unwrap();
        }
        let said = String::from_utf8(lines.out).unwrap();
        let expected = [
            "resnet18: 80 training and 20 validation pictures, epochs 1 to 3",
            "epoch 1 of 3, step 2 of 4: loss 1.1667, 63.3 % right, 17.2 images/s, more than 2 min 56 s left",
            "epoch 1 of 3 in 10 s: loss 1.0000, 60.0 % right; validation: loss 0.9000, 70.0 % right, \
             the best so far",
            "daisy/7.jpg cannot be read",
            "epoch 2 of 3 in 10 s: loss 0.5000, 80.0 % right; validation: loss 0.4500, 85.0 % right",
            "epoch 3 of 3 in 10 s: loss 0.3333, 86.7 % right",
            "trained for 1 h 02 min; best: epoch 2, 85.0 % right",
        ];
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    }
}
