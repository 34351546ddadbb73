//! Starts or resumes a run.

use std::sync::Arc;
use std::time::Instant;

use dvm_data::augment::Augment;
use dvm_data::{Dataset, Loader, LoaderOptions, OnBroken, Sample, Split, broken};
use dvm_engine::weights::hexadecimal;
use dvm_image::Reading;
use sha2::{Digest, Sha256};

use super::inputs::Inputs;
use super::learner::Learner;
use super::run::{Run, say_skipped};
use super::{Task, Watcher};
use crate::checkpoint::{Checkpoint, Position};
use crate::progress::EpochRecord;
use crate::progress::{Phase, TrainingEvent};
use crate::tensorboard::{Events, now};
use crate::trouble::Chance;
use crate::{
    Accumulation, Balance, ClassWeights, CrossEntropy, EarlyStopping, Ema, Error, Mixup,
    TrainedLayers, optimisers, schedules,
};

impl<'a> Run<'a> {
    /// Starts a run, or resumes it from the checkpoint in its folder. Returns `None` if the watcher
    /// stops it before the first step.
    pub(super) fn start(task: &'a Task, watcher: &mut dyn Watcher) -> Result<Option<Self>, Error> {
        let config = task.config;
        let last = task.folder.last_path();
        let checkpoint = last.exists().then(|| Checkpoint::read(&last)).transpose()?;
        let (height, width) = task.preprocess.crop;
        let whole = match &checkpoint {
            Some(checkpoint) => checkpoint.graph_like(task.network)?,
            None => task.network.clone(),
        };
        let input = [1, task.preprocess.channels.count(), height, width];
        let learner = Learner::new(whole, config.train, task.is_head, &input)?;
        let mut optimiser =
            optimisers::find(&config.optimiser.name)?.optimiser(&config.optimiser.options)?;
        let (mut schedule, _) =
            schedules::find(&config.schedule.name)?.schedule(&config.schedule.options)?;
        let mut average = (config.ema > 0.0).then(|| Ema::new(&learner.back, config.ema, true));
        let mut stopping = EarlyStopping::new(config.criterion(), config.patience);
        let mut position = Position {
            pictures: digest(task.data),
            ..Position::default()
        };
        let begun = checkpoint.is_some();
        if let Some(checkpoint) = checkpoint {
            if checkpoint.position.pictures != position.pictures {
                return Err(Error::Checkpoint {
                    path: last,
                    detail: format!(
                        "the run was trained on other pictures than those that are now in {}",
                        task.data.folder.display()
                    ),
                });
            }
            position = checkpoint.position;
            schedule.restore(&position.schedule)?;
            stopping.restore(&position.stopping)?;
            if position.ended_at.is_some_and(|at| at != config.epochs) {
                position.ended_at = None;
                stopping.wait_again();
            }
            let is_slot = |name: &String, _: &mut _| name.starts_with("optimiser.");
            let mut averages = checkpoint.state;
            let slots = averages.extract_if(.., is_slot).collect();
            let steps = position.step;
            optimiser.restore(&learner.back, optimisers::State { steps, slots })?;
            if let Some(average) = &mut average {
                average.restore(&learner.back, position.averaged, averages)?;
            }
        }
        let records = task.folder.records(position.epoch)?;
        watcher.event(&started(task, &position, &records));
        let ended = position.epoch >= config.epochs || position.ended_at.is_some();
        if task.check && !begun && config.on_broken == OnBroken::Fail && !checked(task, watcher)? {
            return Ok(None);
        }
        let Some((training, validation)) = inputs(task, &learner, !ended, watcher)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            events: events(task, &position)?,
            chance: Chance::of(task.data),
            troubled: false,
            loss: CrossEntropy {
                label_smoothing: config.label_smoothing,
                class_weights: class_weights(&config.class_weights, task.data)?,
            },
            accumulation: Accumulation::new(),
            average,
            mixup: (config.mixup > 0.0)
                .then(|| Mixup::new(config.mixup))
                .transpose()?,
            stopping,
            task,
            learner,
            optimiser,
            schedule,
            training: Arc::new(training),
            validation,
            position,
            records,
            saved: Instant::now(),
        }))
    }
}

fn started(task: &Task, position: &Position, records: &[EpochRecord]) -> TrainingEvent {
    let config = task.config;
    let map_epochs = position.epoch + 1..=config.epochs;
    TrainingEvent::Started {
        model: config.model.clone(),
        training: task.data.samples(Split::Train).len(),
        validation: task.data.samples(Split::Val).len(),
        first_epoch: position.epoch as usize + 1,
        epochs: config.epochs as usize,
        past: records.to_vec(),
        map_epochs: map_epochs
            .filter(|&epoch| config.draws_maps(epoch))
            .map(|epoch| epoch as usize)
            .collect(),
    }
}

/// The event file of this process. A resumed run discards the events of earlier files after its
/// checkpoint.
fn events(task: &Task, position: &Position) -> Result<Events, Error> {
    let config = task.config;
    let folder = task.folder.path();
    let steps = task.folder.steps(position.step)?;
    let resumed = position.step > 0;
    let start = resumed.then_some(position.epoch + 1);
    let written = || {
        let mut events = Events::create(folder, start)?;
        let lines = config.to_toml();
        let text: String = lines.lines().map(|l| format!("    {l}\n")).collect();
        // The configuration changes only if the run was extended.
        if !resumed || config.schedule_from > 0 {
            events.text("config", config.schedule_from, now(), &text)?;
        }
        // A start event discards steps by their number; these are still valid.
        for step in steps
            .iter()
            .filter(|step| start.is_some_and(|start| step.step >= start))
        {
            events.step(now(), step)?;
        }
        Ok(events)
    };
    written().map_err(Error::file(folder))
}

/// Checks that all pictures can be decoded. Returns false if the watcher stopped it.
fn checked(task: &Task, watcher: &mut dyn Watcher) -> Result<bool, Error> {
    let all = Split::ALL.map(|split| task.data.samples(split)).concat();
    let all: &[Sample] = &all;
    let total = all.len();
    let reading = Reading {
        limits: task.config.limits(),
        range: task.preprocess.range,
    };
    let found = broken(all, &reading, task.workers, |done| {
        watcher.event(&TrainingEvent::Phase {
            phase: Phase::Check,
            done,
            total,
        });
        !watcher.stops()
    });
    match found {
        None => Ok(false),
        Some(broken) if broken.is_empty() => Ok(true),
        Some(broken) => Err(Error::Broken {
            folder: task.data.folder.clone(),
            pictures: broken.into_iter().map(|(_, why)| why).collect(),
        }),
    }
}

/// Training and validation inputs: as features if they are the same in each epoch and `trains` is
/// true. Returns `None` if the watcher stopped it.
fn inputs(
    task: &Task,
    learner: &Learner,
    trains: bool,
    watcher: &mut dyn Watcher,
) -> Result<Option<(Inputs, Option<Inputs>)>, Error> {
    let config = task.config;
    let layout = |detail: &str| dvm_data::Error::Layout {
        path: task.data.folder.clone(),
        detail: detail.into(),
    };
    let training = task.data.samples(Split::Train);
    if training.is_empty() {
        return Err(layout("the data set has no training pictures").into());
    }
    let same = config.augment == Augment::none() && config.mixup == 0.0;
    let loading = LoaderOptions {
        workers: task.workers,
        ..config.loading(task.preprocess)
    };
    let training = Loader::new(training, loading)?;
    let validation = match task.data.samples(Split::Val) {
        [] => None,
        samples => {
            let loading = LoaderOptions {
                on_broken: config.on_broken,
                workers: task.workers,
                limits: config.limits(),
                ..LoaderOptions::validation(task.preprocess.clone(), config.batch)
            };
            Some(Loader::new(samples, loading)?)
        }
    };
    let front = learner.front.as_deref();
    let Some(front) = front.filter(|_| same && trains && config.train == TrainedLayers::Head)
    else {
        let validation = validation.map(Inputs::Pictures);
        return Ok(Some((Inputs::Pictures(training), validation)));
    };
    let mut features = |loader: Loader, phase: Phase| {
        let total = loader.samples().len();
        Inputs::features(loader, front, |done, skipped| {
            say_skipped(watcher, skipped);
            watcher.event(&TrainingEvent::Phase { phase, done, total });
            !watcher.stops()
        })
    };
    let Some(training) = features(training, Phase::TrainingFeatures)? else {
        return Ok(None);
    };
    let validation = match validation {
        Some(loader) => match features(loader, Phase::ValidationFeatures)? {
            None => return Ok(None),
            features => features,
        },
        None => None,
    };
    Ok(Some((training, validation)))
}

/// The class weights of the loss.
fn class_weights(choice: &ClassWeights, data: &Dataset) -> Result<Option<Vec<f32>>, Error> {
    let classes = data.classes.len();
    match choice {
        ClassWeights::Named(Balance::None) => Ok(None),
        ClassWeights::Named(Balance::Balanced) => {
            let samples = data.samples(Split::Train);
            let mut counts = vec![0_usize; classes];
            samples.iter().for_each(|sample| counts[sample.class] += 1);
            let weight = |&count: &usize| match count {
                0 => 1.0,
                _ => samples.len() as f32 / (classes * count) as f32,
            };
            Ok(Some(counts.iter().map(weight).collect()))
        }
        ClassWeights::Each(weights) if weights.len() == classes => Ok(Some(weights.clone())),
        ClassWeights::Each(weights) => Err(Error::Config(format!(
            "`class_weights` has {} numbers, but the data set has {classes} classes: {}",
            weights.len(),
            data.classes.join(", ")
        ))),
    }
}

/// SHA-256 of the list of pictures and their classes. It does not depend on the folder's path.
fn digest(data: &Dataset) -> String {
    let mut digest = Sha256::new();
    for split in [Split::Train, Split::Val] {
        for sample in data.samples(split) {
            let path = sample.path.strip_prefix(&data.folder);
            let path = path.unwrap_or(&sample.path).to_string_lossy();
            let line = format!("{} {} {path}\n", split.name(), data.classes[sample.class]);
            digest.update(line.as_bytes());
        }
    }
    hexadecimal(&digest.finalize())
}
