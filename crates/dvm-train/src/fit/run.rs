//! Steps, epochs, validation and checkpoints.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dvm_data::Batch;
use dvm_engine::{Keep, Mode, Network, Request, Tensor, rules};

use super::inputs::{InputBatch, Inputs};
use super::learner::Learner;
use super::{Task, TrainingResult, Watcher};
use crate::checkpoint::{Checkpoint, Position};
use crate::progress::{EpochRecord, Phase, StepRecord, TrainingEvent};
use crate::tensorboard::{Events, now};
use crate::trouble::Chance;
use crate::{
    Accumulation, Advice, CrossEntropy, EarlyStopping, Ema, Error, Evaluation, Mixup, Optimiser,
    Schedule, Targets, Trouble, clip_gradient_norm, schedules,
};

/// Time between checkpoints within an epoch.
const SAVE_EVERY: Duration = Duration::from_secs(300);

/// The state of a running training.
pub(super) struct Run<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) learner: Learner,
    pub(super) optimiser: Optimiser,
    pub(super) schedule: Box<dyn Schedule>,
    pub(super) loss: CrossEntropy,
    pub(super) accumulation: Accumulation,
    pub(super) average: Option<Ema>,
    pub(super) mixup: Option<Mixup>,
    pub(super) stopping: EarlyStopping,
    pub(super) training: Arc<Inputs>,
    pub(super) validation: Option<Inputs>,
    pub(super) position: Position,
    pub(super) records: Vec<EpochRecord>,
    pub(super) events: Events,
    pub(super) saved: Instant,
    pub(super) chance: Chance,
    /// Whether the current problem has been reported.
    pub(super) troubled: bool,
}

impl<'a> Run<'a> {
    /// Trains all remaining epochs.
    pub(super) fn finish(mut self, watcher: &mut dyn Watcher) -> Result<TrainingResult, Error> {
        let start = Instant::now();
        let config = self.task.config;
        let mut done = true;
        while self.position.epoch < config.epochs && self.position.ended_at.is_none() {
            if !self.epoch(watcher)? {
                done = false;
                break;
            }
        }
        let best = self.position.best;
        watcher.event(&TrainingEvent::Finished {
            best_epoch: best.map(|record| record.epoch),
            best_accuracy: best.and_then(|record| record.val_accuracy),
            duration: start.elapsed(),
        });
        Ok(TrainingResult {
            done,
            best,
            trouble: self.trouble(),
            records: self.records,
        })
    }

    /// Trains the rest of an epoch. Returns false if it was stopped.
    fn epoch(&mut self, watcher: &mut dyn Watcher) -> Result<bool, Error> {
        let config = self.task.config;
        let start = Instant::now();
        let number = self.position.epoch;
        let first = self.position.batch;
        let batches = self.training.batches();
        let front = self.learner.front.clone();
        let (mixup, seed) = (self.mixup, config.seed);
        let mix = |index: usize, batch: &mut Batch| match mixup {
            Some(mixup) => {
                let number = number * batches as u64 + index as u64;
                mixup.mix(&mut batch.values, &batch.classes, seed, number)
            }
            None => Targets::Classes(batch.classes.clone()),
        };
        let training = Arc::clone(&self.training);
        let seen_before = self.position.running.pictures;
        let mut stopped = false;
        // Loss and pictures since the last step of the optimiser.
        let (mut step_loss, mut step_pictures) = (0.0, 0);
        for batch in training.epoch(number, first, front.as_deref(), &mix) {
            let batch = batch?;
            say_skipped(watcher, &batch.skipped);
            self.position.batch += 1;
            if !batch.samples.is_empty() {
                let learning_rate = self.learning_rate();
                self.position.running.learning_rate = learning_rate;
                let (loss, found) = self.walk(&batch)?;
                let count = batch.samples.len();
                let running = &mut self.position.running;
                running.loss += loss * count as f64;
                running.found += found;
                running.pictures += count;
                step_loss += loss * count as f64;
                step_pictures += count;
                watcher.event(&TrainingEvent::Step {
                    epoch: number as usize + 1,
                    step: self.position.batch,
                    steps: batches,
                    loss,
                    accuracy: found / count as f64,
                    learning_rate,
                    images_per_second: (self.position.running.pictures - seen_before) as f64
                        / start.elapsed().as_secs_f64(),
                });
            }
            let full = self.accumulation.batches() >= config.accumulate;
            if full || (self.position.batch == batches && self.accumulation.batches() > 0) {
                self.step();
                self.note_step(step_loss / step_pictures as f64)?;
                (step_loss, step_pictures) = (0.0, 0);
            }
            // Accumulated gradients are not saved, so a checkpoint needs a complete step.
            if self.position.batch < batches && self.accumulation.batches() == 0 {
                stopped = watcher.stops();
                if stopped || self.saved.elapsed() >= SAVE_EVERY {
                    self.save(watcher)?;
                }
                if stopped {
                    break;
                }
            }
        }
        if stopped {
            return Ok(false);
        }
        let trained = start.elapsed().as_secs_f64();
        let network = Network::new(self.learner.whole(self.averages())?);
        let Some(evaluation) = self.validate(&network, watcher)? else {
            // All steps of the epoch are completed; only the validation is missing.
            self.save(watcher)?;
            return Ok(false);
        };
        self.check_finite(evaluation.as_ref())?;
        let running = std::mem::take(&mut self.position.running);
        self.position.batch = 0;
        self.position.epoch += 1;
        let validation = evaluation.as_ref().map(Evaluation::validation);
        let pictures = running.pictures.max(1) as f64;
        let mut record = EpochRecord {
            epoch: number as usize + 1,
            train_loss: running.loss / pictures,
            train_accuracy: running.found / pictures,
            val_loss: validation.map(|v| v.loss),
            val_accuracy: validation.map(|v| v.accuracy),
            learning_rate: running.learning_rate,
            seconds: start.elapsed().as_secs_f64(),
            images_per_second: (running.pictures - seen_before) as f64 / trained,
            best: false,
        };
        // Without validation the last epoch is the best.
        record.best = true;
        let mut stop = false;
        if let Some(validation) = &validation {
            let decision = self.stopping.observe(validation);
            (record.best, stop) = (decision.best, decision.stop);
            self.schedule.observe(validation);
        }
        if record.best {
            self.write_best(&network)?;
            // Times differ between runs, and checkpoints must not.
            self.position.best = Some(EpochRecord {
                seconds: 0.0,
                images_per_second: 0.0,
                ..record
            });
        }
        self.note(&record)?;
        let events = &mut self.events;
        watcher
            .epoch(number + 1, &network, evaluation.as_ref(), events)
            .and_then(|()| events.flush())
            .map_err(Error::file(self.task.folder.path()))?;
        drop(network);
        if stop {
            // Set before the checkpoint: a resumed run must not continue either.
            self.position.ended_at = Some(config.epochs);
        }
        self.save(watcher)?;
        watcher.event(&TrainingEvent::Epoch(record));
        self.tell_trouble(watcher);
        if stop {
            watcher.event(&TrainingEvent::Message(format!(
                "early stopping: no improvement for {}",
                config.patience_in_words()
            )));
        }
        Ok(!watcher.stops() || stop || self.position.epoch == config.epochs)
    }

    /// The problem after the last epoch, if there is one.
    fn trouble(&self) -> Option<Trouble> {
        let config = self.task.config;
        let sign = self.chance.sign(&self.records, config.epochs)?;
        Some(Trouble {
            sign,
            epoch: self.records.len(),
            advice: Advice::of(config),
        })
    }

    fn tell_trouble(&mut self, watcher: &mut dyn Watcher) {
        let trouble = self.trouble();
        if let Some(trouble) = trouble.filter(|_| !self.troubled) {
            watcher.event(&TrainingEvent::Trouble(trouble));
        }
        self.troubled = trouble.is_some();
    }

    /// An error if the validation loss or the weights are not finite, before they are saved.
    fn check_finite(&self, evaluation: Option<&Evaluation>) -> Result<(), Error> {
        let value = match evaluation {
            Some(evaluation) if !evaluation.loss.is_finite() => {
                return Err(self.not_finite("the validation loss", evaluation.loss));
            }
            _ => self.not_finite_weight(),
        };
        value.map_or(Ok(()), |value| {
            Err(self.not_finite("the weights", value.into()))
        })
    }

    fn not_finite_weight(&self) -> Option<f32> {
        let mut values = self.learner.back.values().iter();
        values.find_map(|tensor| {
            tensor
                .data()
                .iter()
                .copied()
                .find(|value| !value.is_finite())
        })
    }

    fn not_finite(&self, what: &'static str, value: f64) -> Error {
        Error::NotFinite {
            what,
            value,
            epoch: self.position.epoch + 1,
            step: self.position.batch,
            learning_rate: self.position.running.learning_rate,
            advice: Advice::of(self.task.config),
        }
    }

    /// The averaged values, which are validated and saved instead of the last ones.
    pub(super) fn averages(&self) -> Option<&[Tensor]> {
        self.average.as_ref().map(Ema::values)
    }

    fn learning_rate(&self) -> f64 {
        let config = self.task.config;
        let steps = self.training.batches().div_ceil(config.accumulate);
        let (steps, from) = (steps as u64, config.schedule_from);
        let at = schedules::SchedulePosition {
            step: self.position.step.saturating_sub(from * steps),
            steps: (config.epochs - from) * steps,
            epoch: self.position.epoch,
        };
        config.learning_rate() * self.schedule.factor(at)
    }

    /// One forward and backward pass. Returns the mean loss, including weighted auxiliary losses,
    /// and the number of correct pictures.
    fn walk(&mut self, batch: &InputBatch) -> Result<(f64, f64), Error> {
        let config = self.task.config;
        let walks =
            self.position.step * config.accumulate as u64 + self.accumulation.batches() as u64;
        let seed = config.seed ^ walks.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let graph = &self.learner.back;
        let activations = graph.forward(&batch.inputs, Mode::Training { seed }, Keep::Backward)?;
        let logits = activations.output().clone();
        let mut value = self.loss.value_and_gradient(&logits, &batch.targets)?;
        let mut seeds = vec![(graph.output(), value.gradient)];
        for &(head, weight) in graph.auxiliaries() {
            let logits = activations.get(head).expect("training keeps them");
            logits.read()?;
            let mut own = self.loss.value_and_gradient(logits, &batch.targets)?;
            value.mean += own.mean * f64::from(weight);
            let gradient = own.gradient.data_mut().iter_mut();
            gradient.for_each(|g| *g *= weight);
            seeds.push((head, own.gradient));
        }
        if !value.mean.is_finite() {
            return Err(self.not_finite("the loss", value.mean));
        }
        let learner = &self.learner;
        let request = Request {
            nodes: &[],
            parameters: &|parameter| learner.learns(parameter),
            rules: &rules::TRUE_GRADIENT,
        };
        let statistics = activations.statistics().to_vec();
        let gradients = graph.backward_releasing(activations, seeds, &request)?;
        let count = self.learner.back.parameters().len();
        self.accumulation.add(gradients, 0..count);
        for (index, value) in statistics {
            self.learner.back.set_value(index, value)?;
        }
        Ok((value.mean, found(&logits, &batch.targets)))
    }

    /// Updates the weights with the accumulated gradients.
    fn step(&mut self) {
        let learning_rate = self.position.running.learning_rate;
        let mut gradients = self.accumulation.take();
        let clip = self.task.config.clip;
        if clip > 0.0 {
            clip_gradient_norm(&mut gradients, clip);
        }
        let gradient = |index| gradients.get(&index);
        self.optimiser
            .step(&mut self.learner.back, gradient, learning_rate);
        if let Some(average) = &mut self.average {
            average.update(&self.learner.back);
        }
        self.position.step += 1;
    }

    /// Writes the record of an epoch.
    fn note(&mut self, record: &EpochRecord) -> Result<(), Error> {
        self.task.folder.add_record(record)?;
        self.records.push(*record);
        let names = self.task.config.tensorboard.names;
        let folder = self.task.folder.path();
        self.events
            .epoch(names, now(), record)
            .map_err(Error::file(folder))
    }

    /// Writes the record of a step.
    fn note_step(&mut self, loss: f64) -> Result<(), Error> {
        let record = StepRecord {
            step: self.position.step,
            loss,
            learning_rate: self.position.running.learning_rate,
        };
        self.task.folder.add_step(&record)?;
        let folder = self.task.folder.path();
        let written = self.events.step(now(), &record);
        written.map_err(Error::file(folder))
    }

    fn write_best(&self, network: &Network) -> Result<(), Error> {
        let graph = network.whole();
        let names = graph.parameters().iter().map(|p| p.name.clone());
        let named = names.zip(graph.values());
        let bytes = dvm_engine::weights::to_safetensors(named, self.task.metadata);
        let folder = self.task.folder;
        folder.write(&folder.best_path(), &bytes)
    }

    fn save(&mut self, watcher: &mut dyn Watcher) -> Result<(), Error> {
        if let Some(value) = self.not_finite_weight() {
            return Err(self.not_finite("the weights", value.into()));
        }
        let mut tell = |done| {
            watcher.event(&TrainingEvent::Phase {
                phase: Phase::Saving,
                done,
                total: 1,
            });
        };
        tell(0);
        self.position.schedule = self.schedule.state();
        self.position.stopping = self.stopping.state();
        self.position.averaged = self.average.as_ref().map_or(0, Ema::updates);
        let back = &self.learner.back;
        let mut state = self.optimiser.state(back).slots;
        state.extend(self.average.iter().flat_map(|average| average.state(back)));
        let whole = self.learner.whole(None)?;
        let names = whole.parameters().iter().map(|p| p.name.clone());
        let checkpoint = Checkpoint {
            position: self.position.clone(),
            weights: names.zip(whole.values().iter().cloned()).collect(),
            state,
        };
        let bytes = checkpoint.to_bytes(self.task.metadata);
        drop((checkpoint, whole));
        let folder = self.task.folder;
        folder.write(&folder.last_path(), &bytes)?;
        self.saved = Instant::now();
        tell(1);
        Ok(())
    }
}

/// The number of pictures whose class has the largest logit; mixed pictures count partly.
fn found(logits: &Tensor, targets: &Targets) -> f64 {
    let rows = logits.data().chunks_exact(logits.shape()[1]);
    let top = rows.map(|row| {
        let first = |best: usize, k: usize| if row[k] > row[best] { k } else { best };
        (0..row.len()).fold(0, first)
    });
    match targets {
        Targets::Classes(classes) => top.zip(classes).filter(|(t, c)| t == *c).count() as f64,
        Targets::Mixtures(mixtures) => top
            .zip(mixtures)
            .map(|(top, mixture)| {
                let share = f64::from(mixture.share);
                let first = if top == mixture.first { share } else { 0.0 };
                first
                    + if top == mixture.second {
                        1.0 - share
                    } else {
                        0.0
                    }
            })
            .sum(),
    }
}

pub(super) fn say_skipped(watcher: &mut dyn Watcher, skipped: &[(usize, String)]) {
    for (_, why) in skipped {
        watcher.event(&TrainingEvent::Message(format!("skipped: {why}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mixture;

    #[test]
    fn mixed_pictures_count_by_their_share() {
        let logits = Tensor::from_stored(&[2, 3], vec![0.0, 2.0, 1.0, 5.0, 0.0, 0.0]);
        assert_eq!(found(&logits, &Targets::Classes(vec![1, 2])), 1.0);
        let mixture = |first, second| Mixture {
            first,
            second,
            share: 0.75,
        };
        let mixtures = Targets::Mixtures(vec![mixture(0, 1), mixture(0, 0)]);
        assert_eq!(found(&logits, &mixtures), 0.25 + 1.0);
    }
}
