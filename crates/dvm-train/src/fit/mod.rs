//! The training loop: steps, epochs, validation, and what is saved when.

mod extend;
mod learner;
mod run;
mod start;
mod supply;
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

/// What is to be trained, on what, and where the run is kept.
pub struct Task<'a> {
    /// How.
    pub config: &'a Config,
    /// The pictures.
    pub data: &'a Dataset,
    /// The network as training begins.
    pub network: &'a Graph,
    /// Whether a parameter of this name is one of the last layer.
    pub is_head: &'a dyn Fn(&str) -> bool,
    /// How pictures are prepared.
    pub preprocess: &'a Preprocess,
    /// What the weight files of the run say of themselves.
    pub metadata: &'a BTreeMap<String, String>,
    /// Where the run is kept.
    pub folder: &'a RunFolder,
    /// Threads that decode pictures. They change nothing but the time.
    pub workers: usize,
    /// Whether all pictures, of every split, are decoded before the first epoch, so that a broken one
    /// does not end the training later. Not done where broken pictures are left out.
    pub check: bool,
}

/// Whoever watches a run. Nothing that it does changes the run, but for an error.
pub trait Watcher {
    /// Something happened.
    fn event(&mut self, event: &TrainingEvent);

    /// An epoch was validated with this network, unless there are no validation pictures; `events`
    /// is open for more than scalars.
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

    /// Whether the run is to stop as soon as it can be resumed: after the step at hand, or the
    /// picture that is checked, validated or drawn.
    fn stops(&self) -> bool {
        false
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whether it is done; if not, it was stopped and can go on.
    pub done: bool,
    /// The record of each epoch.
    pub records: Vec<EpochRecord>,
    /// The best epoch.
    pub best: Option<EpochRecord>,
    /// What was wrong at the end, if anything.
    pub trouble: Option<Trouble>,
}

/// Trains until the configuration is done or the watcher stops it, from the checkpoint in the folder
/// if there is one. A run that was interrupted anywhere and goes on ends with the same bytes in
/// `best.safetensors` and `last.safetensors` as one that was not.
///
/// # Errors
/// [`Error::Broken`], [`Error::NotFinite`], [`Error::Data`], [`Error::File`] and whatever a checkpoint of other data or
/// another network leads to.
pub fn fit(task: &Task, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
    match run::Run::start(task, watcher)? {
        Some(run) => run.finish(watcher),
        // Stopped before the first step.
        None => Ok(Outcome {
            done: false,
            records: Vec::new(),
            best: None,
            trouble: None,
        }),
    }
}
