//! The state of a running training, for the live view and for lines.

use std::time::Duration;

use dvm::training::{EpochRecord, TrainingEvent};

use super::curve::Curve;
use super::estimate::{Estimate, Left, Plan, Work};

/// Most steps over which curves are smoothed; fewer if an epoch has few steps.
const SPAN: f64 = 20.0;

/// The state after the events so far.
#[derive(Debug)]
pub struct History {
    pub model: String,
    pub epochs: usize,
    /// From 1; 0 before the first step.
    pub epoch: usize,
    pub learning_rate: f64,
    pub images_per_second: f64,
    /// Curves over epochs: steps of the third epoch are between 2 and 3.
    pub train_loss: Curve,
    pub train_accuracy: Curve,
    pub val_loss: Curve,
    pub val_accuracy: Curve,
    /// Loss and accuracy of the current epoch.
    pub train: Option<(f64, f64)>,
    pub last: Option<EpochRecord>,
    /// The best epoch and its accuracy.
    pub best: Option<(usize, Option<f64>)>,
    pub estimate: Estimate,
    /// Sums over the steps of the epoch: loss, accuracy, steps.
    sums: (f64, f64, f64),
}

impl History {
    pub fn new() -> Self {
        Self {
            model: String::new(),
            epochs: 0,
            epoch: 0,
            learning_rate: 0.0,
            images_per_second: 0.0,
            train_loss: Curve::smoothed(SPAN),
            train_accuracy: Curve::smoothed(SPAN),
            val_loss: Curve::unsmoothed(),
            val_accuracy: Curve::unsmoothed(),
            train: None,
            last: None,
            best: None,
            estimate: Estimate::new(),
            sums: (0.0, 0.0, 0.0),
        }
    }

    /// Takes in an event, `now` after the start of the process.
    pub fn take(&mut self, event: &TrainingEvent, now: Duration) {
        match event {
            TrainingEvent::Started {
                model,
                training,
                validation,
                first_epoch,
                epochs,
                past,
                map_epochs,
            } => {
                model.clone_into(&mut self.model);
                (self.epoch, self.epochs) = (*first_epoch, *epochs);
                let plan = Plan {
                    epochs: *epochs,
                    training: *training,
                    validation: *validation,
                    map_epochs: map_epochs.clone(),
                };
                self.estimate.start(plan, *first_epoch, now);
                for record in past {
                    self.train_loss.push(record.epoch as f64, record.train_loss);
                    self.train_accuracy
                        .push(record.epoch as f64, record.train_accuracy);
                    self.take_record(record);
                }
            }
            TrainingEvent::Phase { phase, done, total } => {
                self.estimate.update(Work::from(*phase), *done, *total, now);
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
                if *epoch != self.epoch || *step == 1 {
                    self.sums = (0.0, 0.0, 0.0);
                }
                self.epoch = *epoch;
                self.estimate.update(Work::Steps, *step, *steps, now);
                let span = (*steps as f64 / 5.0).clamp(1.0, SPAN);
                self.train_loss.set_span(span);
                self.train_accuracy.set_span(span);
                let (losses, accuracies, count) = &mut self.sums;
                *losses += loss;
                *accuracies += accuracy;
                *count += 1.0;
                self.train = Some((*losses / *count, *accuracies / *count));
                self.learning_rate = *learning_rate;
                self.images_per_second = *images_per_second;
                let at = (*epoch as f64 - 1.0) + *step as f64 / (*steps).max(1) as f64;
                self.train_loss.push(at, *loss);
                self.train_accuracy.push(at, *accuracy);
            }
            TrainingEvent::Epoch(record) => {
                self.take_record(record);
                self.estimate.end_epoch(now);
            }
            TrainingEvent::Message(_)
            | TrainingEvent::Trouble(_)
            | TrainingEvent::Finished { .. } => {}
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
        self.train = Some((record.train_loss, record.train_accuracy));
        self.last = Some(*record);
    }

    /// Time left until the report is written, if it can be estimated.
    pub fn left(&self, now: Duration) -> Option<Left> {
        let accuracy = self.best.and_then(|(_, accuracy)| accuracy);
        self.estimate.left(now, 1.0 - accuracy.unwrap_or(1.0))
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
            map_epochs: vec![1, 3],
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
    fn training_values_are_means_of_the_epoch_and_end_as_its_record() {
        let mut history = History::new();
        history.take(&started(), at(0));
        for i in 1..=4 {
            history.take(&step(1, i), at(i as u64));
        }
        let mean =
            |value: fn(f64) -> f64| (1..=4).map(|i| value(f64::from(i) / 4.0)).sum::<f64>() / 4.0;
        let (loss, accuracy) = history.train.unwrap();
        assert!((loss - mean(|at| 1.0 / (at + 0.5))).abs() < 1e-12);
        assert!((accuracy - mean(|at| 1.0 - 0.5 / (at + 1.0))).abs() < 1e-12);
        history.take(&TrainingEvent::Epoch(record(1)), at(5));
        assert_eq!(history.train, Some((1.0, 0.6)));
        // The next epoch begins with its own first step.
        history.take(&step(2, 1), at(6));
        assert_eq!(history.train.unwrap().0, 1.0 / (1.25 + 0.5));
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
            map_epochs: Vec::new(),
        };
        history.take(&resumed, at(0));
        assert_eq!(history.val_loss.points(), [(1.0, 0.9), (2.0, 0.45)]);
        assert_eq!(history.best, Some((2, Some(0.85))));
        history.take(&step(3, 2), at(6));
        assert_eq!(history.train_loss.points().last().unwrap().0, 2.5);
    }
}
