//! What is known of a training while it runs, for whoever draws it.

use std::time::Duration;

use dvm::training::{EpochRecord, TrainingEvent};

use super::curve::Curve;

/// Steps over which the numbers of single batches are smoothed.
const SPAN: f64 = 20.0;

/// All that the events up to now say.
#[derive(Debug)]
pub struct History {
    pub model: String,
    pub epochs: usize,
    /// From 1; 0 before the first step.
    pub epoch: usize,
    pub step: usize,
    pub steps: usize,
    pub learning_rate: f64,
    pub images_per_second: f64,
    /// Curves over epochs: a step of the third epoch lies between 2 and 3.
    pub train_loss: Curve,
    pub train_accuracy: Curve,
    pub val_loss: Curve,
    pub val_accuracy: Curve,
    pub last: Option<EpochRecord>,
    /// The best epoch and its accuracy.
    pub best: Option<(usize, Option<f64>)>,
    first_epoch: usize,
    /// When the epoch began, and how long those of this process took.
    epoch_began: Duration,
    epoch_seconds: Vec<f64>,
}

impl History {
    pub fn new() -> Self {
        Self {
            model: String::new(),
            epochs: 0,
            epoch: 0,
            step: 0,
            steps: 0,
            learning_rate: 0.0,
            images_per_second: 0.0,
            train_loss: Curve::smoothed(SPAN),
            train_accuracy: Curve::smoothed(SPAN),
            val_loss: Curve::as_they_are(),
            val_accuracy: Curve::as_they_are(),
            last: None,
            best: None,
            first_epoch: 1,
            epoch_began: Duration::ZERO,
            epoch_seconds: Vec::new(),
        }
    }

    /// Takes in what happened, `now` after the process began.
    pub fn take(&mut self, event: &TrainingEvent, now: Duration) {
        match event {
            TrainingEvent::Started {
                model,
                first_epoch,
                epochs,
                past,
                ..
            } => {
                model.clone_into(&mut self.model);
                (self.first_epoch, self.epochs) = (*first_epoch, *epochs);
                for record in past {
                    self.train_loss.push(record.epoch as f64, record.train_loss);
                    self.train_accuracy
                        .push(record.epoch as f64, record.train_accuracy);
                    self.take_record(record);
                }
                self.epoch_began = now;
            }
            TrainingEvent::Step {
                epoch,
                step,
                steps,
                loss,
                accuracy,
                learning_rate,
                images_per_second,
            } => {
                (self.epoch, self.step, self.steps) = (*epoch, *step, *steps);
                self.learning_rate = *learning_rate;
                self.images_per_second = *images_per_second;
                let at = (*epoch as f64 - 1.0) + *step as f64 / (*steps).max(1) as f64;
                self.train_loss.push(at, *loss);
                self.train_accuracy.push(at, *accuracy);
            }
            TrainingEvent::Epoch(record) => {
                self.take_record(record);
                self.epoch_seconds.push(record.seconds);
                self.epoch_began = now;
            }
            TrainingEvent::Message(_) | TrainingEvent::Finished { .. } => {}
        }
    }

    fn take_record(&mut self, record: &EpochRecord) {
        let at = record.epoch as f64;
        self.val_loss.push(at, record.val_loss.unwrap_or(f64::NAN));
        self.val_accuracy
            .push(at, record.val_accuracy.unwrap_or(f64::NAN));
        if record.best {
            self.best = Some((record.epoch, record.val_accuracy));
        }
        self.last = Some(*record);
    }

    /// How much of the epoch's steps is done: 0 to 1.
    pub fn epoch_done(&self) -> f64 {
        (self.step as f64 / self.steps.max(1) as f64).clamp(0.0, 1.0)
    }

    /// Seconds until the last epoch is over; none before anything can be said.
    ///
    /// Epochs to come are expected to take what those of this process took, or in the first of them
    /// what its steps up to now promise.
    pub fn seconds_left(&self, now: Duration) -> Option<f64> {
        let running = self.epoch > self.last.map_or(0, |record| record.epoch);
        let spent = now.saturating_sub(self.epoch_began).as_secs_f64();
        let promised = (running && self.step > 0).then(|| spent / self.epoch_done());
        let known = self.epoch_seconds.len() as f64;
        let epoch = if self.epoch_seconds.is_empty() {
            promised?
        } else {
            self.epoch_seconds.iter().sum::<f64>() / known
        };
        let begun = self.epoch.max(self.first_epoch.saturating_sub(1));
        let to_come = self.epochs.saturating_sub(begun) as f64;
        let rest = if running {
            (promised.unwrap_or(epoch).max(epoch) - spent).max(0.0)
        } else {
            0.0
        };
        Some(rest + to_come * epoch)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn started() -> TrainingEvent {
        TrainingEvent::Started {
            model: "resnet18".into(),
            training: 80,
            validation: 20,
            first_epoch: 1,
            epochs: 3,
            past: Vec::new(),
        }
    }

    pub fn step(epoch: usize, step: usize) -> TrainingEvent {
        let at = (epoch - 1) as f64 + step as f64 / 4.0;
        TrainingEvent::Step {
            epoch,
            step,
            steps: 4,
            loss: 1.0 / (at + 0.5),
            accuracy: 1.0 - 0.5 / (at + 1.0),
            learning_rate: 0.02,
            images_per_second: 17.25,
        }
    }

    pub fn record(epoch: usize) -> EpochRecord {
        EpochRecord {
            epoch,
            train_loss: 1.0 / epoch as f64,
            train_accuracy: 1.0 - 0.4 / epoch as f64,
            val_loss: Some(0.9 / epoch as f64),
            val_accuracy: Some(1.0 - 0.3 / epoch as f64),
            learning_rate: 0.02,
            seconds: 10.0,
            images_per_second: 17.25,
            best: true,
        }
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_time_left_follows_from_steps_and_then_from_epochs() {
        let mut history = History::new();
        history.take(&started(), at(100));
        assert_eq!(history.seconds_left(at(101)), None);
        history.take(&step(1, 1), at(102));
        // Four steps of two seconds, three times.
        assert_eq!(history.seconds_left(at(102)), Some(22.0));
        history.take(&TrainingEvent::Epoch(record(1)), at(110));
        assert_eq!(history.seconds_left(at(110)), Some(20.0));
        history.take(&step(2, 2), at(115));
        assert_eq!(history.seconds_left(at(115)), Some(15.0));
        history.take(&step(3, 4), at(200));
        assert_eq!(history.seconds_left(at(200)), Some(0.0));
    }

    #[test]
    fn a_resumed_run_shows_the_epochs_before_it() {
        let mut history = History::new();
        let resumed = TrainingEvent::Started {
            model: "resnet18".into(),
            training: 80,
            validation: 20,
            first_epoch: 3,
            epochs: 4,
            past: vec![record(1), record(2)],
        };
        history.take(&resumed, at(0));
        assert_eq!(history.val_loss.points(), [(1.0, 0.9), (2.0, 0.45)]);
        assert_eq!(history.best, Some((2, Some(0.85))));
        history.take(&step(3, 2), at(6));
        assert_eq!(history.train_loss.points().last().unwrap().0, 2.5);
        // What epochs of another process took says nothing of this one.
        assert_eq!(history.seconds_left(at(6)), Some(18.0));
    }
}
