//! What a run begins with.

use std::sync::Arc;
use std::time::Instant;

use dvm_data::augment::Augment;
use dvm_data::{Dataset, Loader, Loading, Split};
use sha2::{Digest, Sha256};

use super::learner::Learner;
use super::run::{Run, say_skipped};
use super::supply::Supply;
use super::{Task, Watcher};
use crate::checkpoint::{Checkpoint, Position};
use crate::progress::TrainingEvent;
use crate::tensorboard::{Events, now};
use crate::{
    Accumulation, Balance, ClassWeights, CrossEntropy, EarlyStopping, Ema, Error, Mixup, Part,
    optimisers, schedules,
};

impl<'a> Run<'a> {
    /// A run from the checkpoint in its folder, or from the beginning.
    pub(super) fn start(task: &'a Task, watcher: &mut dyn Watcher) -> Result<Self, Error> {
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
        if let Some(checkpoint) = checkpoint {
            if checkpoint.position.pictures != position.pictures {
                return Err(Error::Checkpoint {
                    path: last,
                    detail: format!(
                        "was trained on other pictures than there are now in {}",
                        task.data.folder.display()
                    ),
                });
            }
            position = checkpoint.position;
            schedule.restore(&position.schedule)?;
            stopping.restore(&position.stopping)?;
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
        let (training, validation) = supplies(task, &learner, watcher)?;
        let resumed = position.step > 0;
        let start = resumed.then_some(position.epoch + 1);
        let folder = task.folder.path();
        let mut events = Events::create(folder, start).map_err(Error::file(folder))?;
        if !resumed {
            let text: String = config
                .to_toml()
                .lines()
                .map(|l| format!("    {l}\n"))
                .collect();
            events
                .text("config", 0, now(), &text)
                .map_err(Error::file(folder))?;
        }
        Ok(Self {
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
            events,
            saved: Instant::now(),
        })
    }
}

/// Training and validation pictures, as features where they are the same in each epoch.
fn supplies(
    task: &Task,
    learner: &Learner,
    watcher: &mut dyn Watcher,
) -> Result<(Supply, Option<Supply>), Error> {
    let config = task.config;
    let layout = |detail: &str| dvm_data::Error::Layout {
        path: task.data.folder.clone(),
        detail: detail.into(),
    };
    let training = task.data.samples(Split::Train);
    if training.is_empty() {
        return Err(layout("has no training pictures").into());
    }
    let same = config.augment == Augment::none() && config.mixup == 0.0;
    let loading = Loading {
        workers: task.workers,
        ..config.loading(task.preprocess)
    };
    let training = Loader::new(training, loading)?;
    let validation = match task.data.samples(Split::Val) {
        [] => None,
        samples => {
            let loading = Loading {
                on_broken: config.on_broken,
                workers: task.workers,
                limits: config.limits(),
                ..Loading::validation(task.preprocess.clone(), config.batch)
            };
            Some(Loader::new(samples, loading)?)
        }
    };
    let front = learner.front.as_deref();
    let Some(front) = front.filter(|_| same && config.train == Part::Head) else {
        return Ok((Supply::Pictures(training), validation.map(Supply::Pictures)));
    };
    let mut features = |loader: Loader, what: &str| {
        let all = loader.samples().len();
        let mut said = 0;
        Supply::features(loader, front, |done, skipped| {
            say_skipped(watcher, skipped);
            // A line for each tenth.
            if done * 10 / all > said || done == all {
                said = done * 10 / all;
                let message = format!("features of {what} pictures: {done} of {all}");
                watcher.event(&TrainingEvent::Message(message));
            }
        })
    };
    let training = features(training, "training")?;
    let validation = validation.map(|loader| features(loader, "validation"));
    Ok((training, validation.transpose()?))
}

/// What the loss counts each class with.
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
            "`class_weights` has {} numbers, but there are {classes} classes: {}",
            weights.len(),
            data.classes.join(", ")
        ))),
    }
}

/// SHA-256 of which pictures there are and of which class, wherever the folder lies.
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
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
