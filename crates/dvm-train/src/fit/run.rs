//! Steps, epochs, validation, and what is saved when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dvm_data::Batch;
use dvm_engine::{Keep, Mode, Network, Output, Request, Tensor, rules};

use super::learner::Learner;
use super::supply::{Given, Supply};
use super::{Outcome, Task, Watcher};
use crate::checkpoint::{Checkpoint, Position};
use crate::progress::{EpochRecord, TrainingEvent};
use crate::tensorboard::{Events, now};
use crate::{
    Accumulation, CrossEntropy, EarlyStopping, Ema, Error, Evaluation, Mixup, Optimiser, Schedule,
    Targets, clip_gradient_norm, evaluate, schedules,
};

/// Time from one checkpoint in the middle of an epoch to the next.
const SAVE_EVERY: Duration = Duration::from_secs(300);

/// A run under way.
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
    pub(super) training: Arc<Supply>,
    pub(super) validation: Option<Supply>,
    pub(super) position: Position,
    pub(super) records: Vec<EpochRecord>,
    pub(super) events: Events,
    pub(super) saved: Instant,
}

impl<'a> Run<'a> {
    /// Makes all steps that are left.
    pub(super) fn finish(mut self, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
        let start = Instant::now();
        let config = self.task.config;
        watcher.event(&TrainingEvent::Started {
            model: config.model.clone(),
            training: self.training.pictures(),
            validation: self.validation.as_ref().map_or(0, Supply::pictures),
            first_epoch: self.position.epoch as usize + 1,
            epochs: config.epochs as usize,
            past: self.records.clone(),
        });
        let mut done = true;
        while self.position.epoch < config.epochs {
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
        Ok(Outcome {
            done,
            records: self.records,
            best,
        })
    }

    /// The rest of an epoch; whether it was not stopped.
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
        let mut learning_rate = 0.0;
        let mut stopped = false;
        for given in training.epoch(number, first, front.as_deref(), &mix) {
            let given = given?;
            say_skipped(watcher, &given.skipped);
            self.position.batch += 1;
            if !given.samples.is_empty() {
                learning_rate = self.learning_rate();
                let (loss, found) = self.walk(&given, learning_rate)?;
                let count = given.samples.len();
                let running = &mut self.position.running;
                running.loss += loss * count as f64;
                running.found += found;
                running.pictures += count;
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
                self.step(learning_rate);
            }
            // A checkpoint holds no half of a step.
            if self.position.batch < batches && self.accumulation.batches() == 0 {
                stopped = watcher.stops();
                if stopped || self.saved.elapsed() >= SAVE_EVERY {
                    self.save()?;
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
        let running = std::mem::take(&mut self.position.running);
        self.position.batch = 0;
        self.position.epoch += 1;
        let network = Network::new(self.learner.whole(self.averages())?);
        let evaluation = self.validate(&network, watcher)?;
        let validation = evaluation.as_ref().map(Evaluation::validation);
        let pictures = running.pictures.max(1) as f64;
        let mut record = EpochRecord {
            epoch: number as usize + 1,
            train_loss: running.loss / pictures,
            train_accuracy: running.found / pictures,
            val_loss: validation.map(|v| v.loss),
            val_accuracy: validation.map(|v| v.accuracy),
            learning_rate,
            seconds: start.elapsed().as_secs_f64(),
            images_per_second: (running.pictures - seen_before) as f64 / trained,
            best: false,
        };
        // Without validation the last epoch is the best.
        record.best = true;
        let mut stop = false;
        if let Some(validation) = &validation {
            let verdict = self.stopping.observe(validation);
            (record.best, stop) = (verdict.best, verdict.stop);
            self.schedule.observe(validation);
        }
        if record.best {
            self.write_best(&network)?;
            // Times are not the same in two runs of the same bytes.
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
            // Before the checkpoint: a run that is gone on with must not train further either.
            self.position.epoch = config.epochs;
        }
        self.save()?;
        watcher.event(&TrainingEvent::Epoch(record));
        if stop {
            watcher.event(&TrainingEvent::Message(format!(
                "no better epoch for {}: training ends here",
                config.patience
            )));
        }
        Ok(!watcher.stops() || self.position.epoch == config.epochs)
    }

    /// Values that are validated and kept in place of the last ones.
    fn averages(&self) -> Option<&[Tensor]> {
        self.average.as_ref().map(Ema::values)
    }

    fn learning_rate(&self) -> f64 {
        let config = self.task.config;
        let steps = self.training.batches().div_ceil(config.accumulate);
        let at = schedules::Position {
            step: self.position.step,
            steps: config.epochs * steps as u64,
            epoch: self.position.epoch,
        };
        self.task.config.learning_rate() * self.schedule.factor(at)
    }

    /// Walks there and back; the mean loss, that of auxiliary heads added with their weights, and how
    /// many pictures were found.
    fn walk(&mut self, given: &Given, learning_rate: f64) -> Result<(f64, f64), Error> {
        let config = self.task.config;
        let walks =
            self.position.step * config.accumulate as u64 + self.accumulation.batches() as u64;
        let seed = config.seed ^ walks.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let graph = &self.learner.back;
        let activations = graph.forward(&given.inputs, Mode::Training { seed }, Keep::Backward)?;
        let logits = activations.output().clone();
        let mut value = self.loss.value_and_gradient(&logits, &given.targets)?;
        let mut seeds = vec![(graph.output(), value.gradient)];
        for &(head, weight) in graph.auxiliaries() {
            let logits = activations.get(head).expect("training keeps them");
            let mut own = self.loss.value_and_gradient(logits, &given.targets)?;
            value.mean += own.mean * f64::from(weight);
            let gradient = own.gradient.data_mut().iter_mut();
            gradient.for_each(|g| *g *= weight);
            seeds.push((head, own.gradient));
        }
        if !value.mean.is_finite() {
            return Err(Error::NotFinite {
                loss: value.mean,
                epoch: self.position.epoch + 1,
                step: self.position.batch,
                learning_rate,
            });
        }
        let learner = &self.learner;
        let request = Request {
            nodes: &[],
            parameters: &|parameter| learner.learns(parameter),
            rules: &rules::true_gradient,
        };
        let statistics = activations.statistics().to_vec();
        let gradients = graph.backward_releasing(activations, seeds, &request)?;
        let count = self.learner.back.parameters().len();
        self.accumulation.add(gradients, 0..count);
        for (index, value) in statistics {
            self.learner.back.set_value(index, value)?;
        }
        Ok((value.mean, found(&logits, &given.targets)))
    }

    /// Moves the weights once, against the gradients that were accumulated.
    fn step(&mut self, learning_rate: f64) {
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

    fn validate(
        &self,
        network: &Network,
        watcher: &mut dyn Watcher,
    ) -> Result<Option<Evaluation>, Error> {
        let Some(supply) = &self.validation else {
            return Ok(None);
        };
        let answers = match supply {
            Supply::Pictures(loader) => evaluate::answers(network, loader.epoch(0, 0), |_| {})?,
            Supply::Features { .. } => {
                let back = Network::new(self.learner.back_with(self.averages())?);
                let mut answers = evaluate::Answers::default();
                let mix = |_: usize, batch: &mut Batch| Targets::Classes(batch.classes.clone());
                for given in supply.epoch(0, 0, None, &mix) {
                    let given = given?;
                    let Targets::Classes(classes) = &given.targets else {
                        unreachable!("nothing is mixed in validation");
                    };
                    if !given.samples.is_empty() {
                        let logits = back.fused().logits(&given.inputs)?;
                        answers.extend(&logits, classes, &given.samples);
                    }
                }
                answers
            }
        };
        say_skipped(watcher, &answers.skipped);
        if answers.is_empty() {
            return Ok(None);
        }
        let (logits, names) = (answers.logits(), &self.task.data.classes);
        Evaluation::new(&logits, &answers.classes, Output::Logits, names, None).map(Some)
    }

    /// Writes down what an epoch measured.
    fn note(&mut self, record: &EpochRecord) -> Result<(), Error> {
        self.task.folder.add_record(record)?;
        self.records.push(*record);
        let names = self.task.config.tensorboard.names;
        let folder = self.task.folder.path();
        self.events
            .epoch(names, now(), record)
            .map_err(Error::file(folder))
    }

    fn write_best(&self, network: &Network) -> Result<(), Error> {
        let graph = network.whole();
        let names = graph.parameters().iter().map(|p| p.name.clone());
        let named = names.zip(graph.values());
        let bytes = dvm_engine::weights::to_safetensors(named, self.task.metadata);
        let folder = self.task.folder;
        folder.write(&folder.best_path(), &bytes)
    }

    fn save(&mut self) -> Result<(), Error> {
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
        Ok(())
    }
}

/// The shares of the targets whose class has the largest logit, summed.
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
        watcher.event(&TrainingEvent::Message(format!("left out: {why}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mixture;

    #[test]
    fn of_a_mixture_the_share_of_the_class_found_counts() {
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
