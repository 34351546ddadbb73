//! The training loop: steps, epochs, validation and checkpoints.

mod extend;
mod inputs;
mod learner;
mod run;
mod start;
mod validate;

use std::collections::BTreeMap;
use std::io;

use dvm_data::Dataset;
use dvm_engine::{Graph, Network};
use dvm_image::Preprocess;

use crate::progress::{EpochRecord, TrainingEvent};
use crate::tensorboard::Events;
use crate::{Config, Error, Evaluation, RunFolder, Trouble};

pub use extend::extend;

/// The inputs of a training.
pub struct Task<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The data set.
    pub data: &'a Dataset,
    /// The initial network.
    pub network: &'a Graph,
    /// Whether a parameter of this name belongs to the last layer.
    pub is_head: &'a dyn Fn(&str) -> bool,
    /// The preprocessing.
    pub preprocess: &'a Preprocess,
    /// Metadata for the weight files of the run.
    pub metadata: &'a BTreeMap<String, String>,
    /// The run folder.
    pub folder: &'a RunFolder,
    /// Number of threads that decode pictures. Results do not depend on it.
    pub workers: usize,
    /// Whether to decode all pictures of all splits before the first epoch, so that a broken one
    /// does not end the training later. Ignored if broken pictures are skipped.
    pub check: bool,
}

/// Receives the events of a run. It can stop the run, but not change its results.
pub trait Watcher {
    /// Something happened.
    fn event(&mut self, event: &TrainingEvent);

    /// An epoch is completed; `_evaluation` is `None` without validation pictures. More can be
    /// written to `_events`.
    ///
    /// # Errors
    /// If the events cannot be written.
    fn epoch(
        &mut self,
        _epoch: u64,
        _network: &Network,
        _evaluation: Option<&Evaluation>,
        _events: &mut Events,
    ) -> io::Result<()> {
        Ok(())
    }

    /// Whether the run should stop. It stops after the current step, or the picture that is
    /// checked, validated or drawn, and can be resumed.
    fn stops(&self) -> bool {
        false
    }
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingResult {
    /// Whether the run is complete; if not, it was stopped and can be resumed.
    pub done: bool,
    /// The record of each epoch.
    pub records: Vec<EpochRecord>,
    /// The best epoch.
    pub best: Option<EpochRecord>,
    /// A problem in the last epochs, if there is one.
    pub trouble: Option<Trouble>,
}

/// Trains until all epochs are completed or the watcher stops it. If the folder has a checkpoint,
/// it resumes from there. The files `best.safetensors` and `last.safetensors` of a resumed run are
/// identical to those of an uninterrupted run.
///
/// # Errors
/// [`Error::Broken`], [`Error::NotFinite`], [`Error::Data`], [`Error::File`], [`Error::DeviceMemory`] if a batch does
/// not fit on the device of the network, and [`Error::Checkpoint`] or [`Error::State`] for a checkpoint of other data
/// or another network.
pub fn fit(task: &Task, watcher: &mut dyn Watcher) -> Result<TrainingResult, Error> {
    let trained = match run::Run::start(task, watcher) {
        Ok(Some(run)) => run.finish(watcher),
        // Stopped before the first step.
        Ok(None) => Ok(TrainingResult {
            done: false,
            records: Vec::new(),
            best: None,
            trouble: None,
        }),
        Err(error) => Err(error),
    };
    trained.map_err(|error| match error {
        Error::Engine(dvm_engine::Error::DeviceMemory { device, detail }) => Error::DeviceMemory {
            device,
            batch: task.config.batch,
            detail,
        },
        other => other,
    })
}
