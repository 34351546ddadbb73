//! Training a network on a data set.

mod epoch_maps;
mod evaluation;
mod network;
pub mod report;

use std::path::Path;
use std::sync::Arc;

use dvm_data::{Dataset, Loader, OnBroken, Split};
use dvm_engine::Arithmetic;
use dvm_engine::device::Device;
use dvm_image::Picture;
use dvm_render::contact_sheet;
use dvm_train::fit::{self, Task};

pub use dvm_train::Error as TrainingError;
pub use dvm_train::fit::TrainingResult;
pub use dvm_train::metrics::{Bootstrap, Interval};
pub use dvm_train::tensorboard;
pub use dvm_train::{
    Advice, Config, EpochRecord, Evaluation, Existing, Normalisation, OptionSpec, PRESETS, Phase,
    RunFolder, Sign, TrainingEvent, Trouble, optimisers, schedules,
};
pub use evaluation::{Evaluated, OnWrong, PicturePrediction, ReportMaps};

use crate::device::{left_to_cpu, refuse_exact};
use crate::survey::Survey;
use crate::{Classifier, Error};
use epoch_maps::EpochMaps;

/// A training, new or resumed.
pub struct Training {
    config: Config,
    data: Dataset,
    folder: RunFolder,
    /// Threads that decode pictures. Results do not depend on their number.
    pub workers: usize,
    /// Whether all pictures are decoded before the first epoch, to find damaged files.
    pub check: bool,
    /// The arithmetic. A resumed run must use the same to give an identical result.
    pub arithmetic: Arithmetic,
    /// The device that computes the network; `None` for the CPU. A resumed run can use another one than before.
    pub device: Option<Arc<dyn Device>>,
}

/// The results in the report of a training.
pub struct RunReport {
    /// The network of the best epoch.
    pub classifier: Classifier,
    /// The results on the validation pictures.
    pub evaluated: Evaluated,
    /// The survey, if it was possible.
    pub survey: Option<Survey>,
}

impl Training {
    /// The configuration of a preset, a file and single values ([`Config::resolve_for`]), with the defaults for the
    /// network.
    ///
    /// # Errors
    /// [`Error::Training`] for invalid values, [`Error::Usage`] for an unknown model, [`Error::Load`] for a model
    /// file that cannot be read.
    pub fn configure(
        preset: Option<&str>,
        file: Option<&str>,
        values: &[(String, String)],
    ) -> Result<Config, Error> {
        let (model, size) = Config::model_of(preset, file, values)?;
        let normalisation = network::normalisation(&model, size)?;
        Ok(Config::resolve_for(preset, file, values, normalisation)?)
    }

    /// A new training in this folder. `existing` decides about an earlier run in the folder.
    ///
    /// # Errors
    /// [`Error::Data`] for pictures that cannot be used, [`Error::NoWeights`] or [`Error::Load`] if
    /// there are no weights to start from, [`Error::Training`] for a folder with a run that is kept.
    pub fn new(config: Config, folder: &Path, existing: Existing) -> Result<Self, Error> {
        let data = Dataset::open(&config.data)?;
        network::check(&config, &data)?;
        let config = network::settled(config)?;
        let folder = RunFolder::create(folder, &config, existing)?;
        Ok(Self::of(config, data, folder))
    }

    /// Resumes the training in this folder from its last checkpoint.
    ///
    /// # Errors
    /// [`Error::Training`] for a folder without a run, [`Error::Data`] for missing pictures.
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
            check: true,
            arithmetic: Arithmetic::Fast,
            device: None,
        }
    }

    /// Sets the total number of epochs, which can be larger than at the start of a resumed run. For the schedule, see
    /// [`fit::extend`].
    ///
    /// # Errors
    /// [`Error::Training`] if that many are already done.
    pub fn plan_epochs(&mut self, epochs: u64) -> Result<(), Error> {
        Ok(fit::extend(&self.folder, &mut self.config, epochs)?)
    }

    /// The configuration with all values.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The data set.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// The run folder.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Trains until all epochs are done or `stops` returns true; it is called after each step.
    ///
    /// # Errors
    /// [`Error::Training`]; earlier checkpoints are kept. [`Error::Device`] for exact arithmetic on a device.
    pub fn run(
        &self,
        tell: &mut dyn FnMut(&TrainingEvent),
        stops: &dyn Fn() -> bool,
    ) -> Result<TrainingResult, Error> {
        refuse_exact(self.arithmetic, self.device.as_ref())?;
        let begun = self.folder.last_path().exists();
        let mut pretrained = network::of(&self.config, &self.data, begun)?;
        let network = pretrained.network.with_arithmetic(self.arithmetic);
        pretrained.network = network.with_device(self.device.clone());
        let mut warn =
            |warning: String| tell(&TrainingEvent::Message(format!("warning: {warning}")));
        for remark in self.data.remarks() {
            warn(format!("{}: {remark}", self.data.folder.display()));
        }
        let remarks = &pretrained.remarks;
        let warnings = remarks.warnings.iter().chain(&remarks.part).cloned();
        warnings
            .chain(pretrained.preprocess_assumption())
            .for_each(&mut warn);
        let reading = dvm_image::Reading {
            limits: self.config.limits(),
            range: pretrained.preprocess.range,
        };
        if let Some(warning) = self.data.range_warning(&reading) {
            warn(warning);
        }
        if !begun {
            tell(&TrainingEvent::Message(how_it_learns(&self.config)));
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
            check: self.check,
        };
        let mut watcher = EpochMaps {
            config: &self.config,
            data: &self.data,
            begun: &pretrained,
            tell,
            stops,
        };
        Ok(fit::fit(&task, &mut watcher)?)
    }

    /// A sheet with the augmented inputs of `count` training pictures in the first epoch, spread over the classes, each
    /// with the name of its class.
    ///
    /// # Errors
    /// [`Error::Data`] for a picture that cannot be read.
    pub fn preview(config: &Config, count: usize) -> Result<Picture, Error> {
        let data = Dataset::open(&config.data)?;
        let settled = match network::settled(config.clone()) {
            // The preview needs no weights.
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
        // An approximately square sheet.
        let columns = (count as f64).sqrt().ceil().max(1.0) as usize;
        Ok(contact_sheet(&seen, columns))
    }

    /// Evaluates the best weights of the run on the validation pictures, if there are any, and writes the report with
    /// the maps of the most confident wrong predictions. Calls `tell` with the phases and `wrong` with each of these
    /// pictures.
    ///
    /// # Errors
    /// [`Error::Load`] if there are no best weights, errors of [`Classifier::evaluate`], and
    /// [`Error::Save`].
    pub fn report(
        &self,
        records: &[EpochRecord],
        tell: &mut dyn FnMut(&TrainingEvent),
        wrong: &mut OnWrong,
    ) -> Result<Option<RunReport>, Error> {
        let total = self.data.samples(Split::Val).len();
        if total == 0 {
            return Ok(None);
        }
        let mut phase = |phase, done, total| tell(&TrainingEvent::Phase { phase, done, total });
        phase(Phase::ReportEvaluation, 0, total);
        let classifier = self.best()?;
        let bootstrap = Bootstrap::default();
        let (data, split, skip) = (&self.data, Split::Val, OnBroken::Skip);
        let evaluated = classifier.evaluate(data, split, Some(&bootstrap), skip, |done| {
            phase(Phase::ReportEvaluation, done, total);
        })?;
        let title = self.title();
        let folder = self.folder.report_path();
        let maps = &mut |done, total| phase(Phase::ReportMaps, done, total);
        let survey = evaluated.report(&classifier, &title, records, &folder, maps, wrong)?;
        for finding in survey.iter().flat_map(Survey::confirmed) {
            let warning = format!("warning: {}", finding.sentence);
            tell(&TrainingEvent::Message(warning));
        }
        Ok(Some(RunReport {
            classifier,
            evaluated,
            survey,
        }))
    }

    /// The network of the best epoch, with the arithmetic and the device of the training.
    ///
    /// # Errors
    /// [`Error::Load`] if there are no best weights.
    pub fn best(&self) -> Result<Classifier, Error> {
        let classifier = Classifier::read(&self.folder.best_path())?;
        let classifier = classifier.with_arithmetic(self.arithmetic);
        classifier.with_device(self.device.clone())
    }

    /// A warning that names what the CPU computed so far because the device cannot; `None` if there is nothing.
    pub fn left_to_cpu(&self) -> Option<String> {
        self.device.as_deref().and_then(left_to_cpu)
    }

    /// Network and data set, such as `resnet18 on flower_5`.
    pub fn title(&self) -> String {
        format!("{} on {}", self.config.model, name_of(&self.data.folder))
    }
}

/// Optimiser, learning rate, schedule and gradient clipping, in one line.
fn how_it_learns(config: &Config) -> String {
    let clip = match config.clip {
        0.0 => String::new(),
        clip => format!(", gradients limited to norm {clip}"),
    };
    format!(
        "optimiser {}, learning rate {}, schedule {}{clip}",
        config.optimiser.name,
        config.learning_rate(),
        config.schedule.name,
    )
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
