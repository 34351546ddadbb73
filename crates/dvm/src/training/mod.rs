//! From a folder of pictures to a network that has learnt them.

mod evaluation;
mod network;
pub mod report;
mod watching;

use std::path::Path;

use dvm_data::{Dataset, Loader, OnBroken, Split};
use dvm_engine::Arithmetic;
use dvm_image::Picture;
use dvm_render::contact_sheet;
use dvm_train::fit::{self, Task};

pub use dvm_train::fit::Outcome;
pub use dvm_train::metrics::{Bootstrap, Interval};
pub use dvm_train::tensorboard;
pub use dvm_train::{
    Config, EpochRecord, Evaluation, OptionSpec, PRESETS, RunFolder, TrainingEvent, optimisers,
    schedules,
};
pub use evaluation::Evaluated;

use crate::{Classifier, Error};
use watching::Watching;

/// A training to be done or gone on with.
pub struct Training {
    config: Config,
    data: Dataset,
    folder: RunFolder,
    /// Threads that decode pictures; they change nothing but the time.
    pub workers: usize,
    /// Which kernels compute. A run must go on with those that it began with to end with the same
    /// bytes.
    pub arithmetic: Arithmetic,
}

impl Training {
    /// A new training in a new folder.
    ///
    /// # Errors
    /// [`Error::Data`] for pictures that cannot be used, [`Error::NoWeights`] or [`Error::Load`] where
    /// there is nothing to begin with, [`Error::Training`] for a folder that holds a run already.
    pub fn new(config: Config, folder: &Path) -> Result<Self, Error> {
        let data = Dataset::open(&config.data)?;
        network::check(&config, &data)?;
        let config = network::settled(config)?;
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
            arithmetic: Arithmetic::Fast,
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
        let mut pretrained = network::of(&self.config, &self.data, begun)?;
        pretrained.network = pretrained.network.with_arithmetic(self.arithmetic);
        for remark in self.data.remarks() {
            let folder = self.data.folder.display();
            tell(&TrainingEvent::Message(format!(
                "warning: {folder}: {remark}"
            )));
        }
        let remarks = &pretrained.remarks;
        let warnings = remarks.warnings.iter().chain(&remarks.part).cloned();
        for warning in warnings.chain(pretrained.preprocess_assumption()) {
            tell(&TrainingEvent::Message(format!("warning: {warning}")));
        }
        let reading = dvm_image::Reading {
            limits: self.config.limits(),
            range: pretrained.preprocess.range,
        };
        if let Some(warning) = self.data.range_warning(&reading) {
            tell(&TrainingEvent::Message(format!("warning: {warning}")));
        }
        let metadata = pretrained.metadata()?;
        let whole = pretrained.network.whole();
        let task = Task {
            config: &self.config,
            data: &self.data,
            network: whole,
            is_head: &|name| whole.is_in_head(name),
            preprocess: &pretrained.preprocess,
            metadata: &metadata,
            folder: &self.folder,
            workers: self.workers,
        };
        let mut watcher = Watching {
            config: &self.config,
            data: &self.data,
            begun: &pretrained,
            tell,
            stops,
        };
        Ok(fit::fit(&task, &mut watcher)?)
    }

    /// What the network will see of `count` training pictures, spread over the classes, in the first
    /// epoch, on one sheet, each with the name of its class.
    ///
    /// # Errors
    /// [`Error::Data`] for a picture that cannot be read.
    pub fn preview(config: &Config, count: usize) -> Result<Picture, Error> {
        let data = Dataset::open(&config.data)?;
        let settled = match network::settled(config.clone()) {
            // Only a training needs them.
            Err(Error::NoWeights { .. }) => config.clone(),
            settled => settled?,
        };
        let preprocess = network::of(&settled, &data, true)?.preprocess;
        let samples = data.samples(Split::Train);
        let loader = Loader::new(samples, config.loading(&preprocess))?;
        let count = count.min(samples.len());
        let seen = |index: usize| -> Result<(Picture, String), Error> {
            let position = index * samples.len() / count;
            let class = data.classes[samples[position].class].clone();
            Ok((loader.preview(position, 0)?, class))
        };
        let seen: Vec<_> = (0..count).map(seen).collect::<Result<_, _>>()?;
        // About as wide as high.
        let columns = (count as f64).sqrt().ceil().max(1.0) as usize;
        Ok(contact_sheet(&seen, columns))
    }

    /// Evaluates the best weights of the run on the validation pictures, if there are any, and writes
    /// the report with the maps of the most wrong pictures.
    ///
    /// # Errors
    /// [`Error::Load`] if there are no such weights, those of [`Classifier::evaluate`], and
    /// [`Error::Save`].
    pub fn report(&self, records: &[EpochRecord]) -> Result<Option<Evaluation>, Error> {
        if self.data.samples(Split::Val).is_empty() {
            return Ok(None);
        }
        let classifier = Classifier::read(&self.folder.best_path())?;
        let classifier = classifier.with_arithmetic(self.arithmetic);
        let bootstrap = Bootstrap::default();
        let (data, split, skip) = (&self.data, Split::Val, OnBroken::Skip);
        let evaluated = classifier.evaluate(data, split, Some(&bootstrap), skip, |_| {})?;
        let title = format!("{} on {}", self.config.model, name_of(&self.data.folder));
        let folder = self.folder.report_path();
        evaluated.report(&classifier, &title, records, &folder)?;
        Ok(Some(evaluated.evaluation))
    }
}

/// The last part of a path.
fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize();
    let whole = whole.as_deref().unwrap_or(folder);
    whole
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
