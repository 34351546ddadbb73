//! From a folder of pictures to a network that has learnt them.

mod network;

use std::path::{Path, PathBuf};

use dvm_data::Dataset;
use dvm_engine::Network;
use dvm_train::fit::{self, Outcome, Task, Watcher};
use dvm_train::tensorboard::Events;
use dvm_train::{Config, RunFolder, TrainingEvent};

use crate::Error;

/// A training to be done or gone on with.
pub struct Training {
    config: Config,
    data: Dataset,
    folder: RunFolder,
    /// Threads that decode pictures; they change nothing but the time.
    pub workers: usize,
}

impl Training {
    /// A new training in a new folder.
    ///
    /// # Errors
    /// [`Error::Data`] for pictures that cannot be used, [`Error::Training`] for a folder that holds a
    /// run already.
    pub fn new(config: Config, folder: &Path) -> Result<Self, Error> {
        let data = Dataset::open(&config.data)?;
        network::check(&config, &data)?;
        let folder = RunFolder::create(folder, &config)?;
        Ok(Self::of(config, data, folder))
    }

    /// A training that was begun in this folder, to go on from its last checkpoint.
    ///
    /// # Errors
    /// [`Error::Training`] for a folder without a run, [`Error::Data`] for pictures that are gone.
    pub fn resume(folder: &Path) -> Result<Self, Error> {
        let (folder, config) = RunFolder::open(folder)?;
        let data = Dataset::open(&config.data)?;
        Ok(Self::of(config, data, folder))
    }

    fn of(config: Config, data: Dataset, folder: RunFolder) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            config,
            data,
            folder,
            workers,
        }
    }

    /// The configuration, every value said.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The pictures.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// Where the run is kept.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Trains until the configuration is done or `stops` says so; it is asked after each step.
    ///
    /// # Errors
    /// [`Error::Training`]; what was saved before stays.
    pub fn run(
        &self,
        tell: &mut dyn FnMut(&TrainingEvent),
        stops: &dyn Fn() -> bool,
    ) -> Result<Outcome, Error> {
        let begun = self.folder.last_path().exists();
        let pretrained = network::of(&self.config, &self.data, begun)?;
        let metadata = pretrained.metadata();
        let architecture = pretrained.architecture;
        let task = Task {
            config: &self.config,
            data: &self.data,
            network: pretrained.network.graph(),
            is_head: &|name| architecture.is_in_head(name),
            preprocess: &pretrained.preprocess,
            metadata: &metadata,
            folder: &self.folder,
            workers: self.workers,
        };
        let mut watcher = Watching { tell, stops };
        Ok(fit::fit(&task, &mut watcher)?)
    }
}

/// Hands on what happens.
struct Watching<'a> {
    tell: &'a mut dyn FnMut(&TrainingEvent),
    stops: &'a dyn Fn() -> bool,
}

impl Watcher for Watching<'_> {
    fn event(&mut self, event: &TrainingEvent) {
        (self.tell)(event);
    }

    fn stops(&self) -> bool {
        (self.stops)()
    }
}
