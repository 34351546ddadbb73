//! How the learning rate goes over a training: the schedules, one file each. A new one is a file
//! here and a line in [`ALL`].

mod constant;
mod cosine;
mod one_cycle;
mod plateau;
mod step;

use dvm_options::{OptionSpec, Resolved, Settings};
use serde_json::Value;

use crate::Error;
use crate::option::resolve;
use crate::validation::Validation;

/// A schedule: what people see of it, and how it is made.
#[derive(Debug)]
pub struct Entry {
    /// The name to ask for it by.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// Whether the learning rate depends on how many epochs there will be.
    pub plans_ahead: bool,
    /// Makes it from its options.
    build: fn(&Resolved) -> Result<Box<dyn Schedule>, Error>,
}

/// All schedules.
pub static ALL: &[Entry] = &[
    constant::ENTRY,
    step::ENTRY,
    cosine::ENTRY,
    one_cycle::ENTRY,
    plateau::ENTRY,
];

/// The schedule of this name.
///
/// # Errors
/// [`Error::Unknown`] with the names there are.
pub fn find(name: &str) -> Result<&'static Entry, Error> {
    ALL.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|entry| entry.name).collect();
        Error::Unknown {
            kind: "schedule",
            name: name.into(),
            known: names.join(", "),
        }
    })
}

impl Entry {
    /// The schedule, and its options with the defaults filled in.
    ///
    /// # Errors
    /// [`Error::UnknownOption`], [`Error::OptionValue`].
    pub fn schedule(&self, options: &Settings) -> Result<(Box<dyn Schedule>, Settings), Error> {
        let owner = format!("schedule {}", self.name);
        let resolved = resolve(&owner, self.options.iter(), options)?;
        let schedule = (self.build)(&resolved)?;
        Ok((schedule, resolved.settings().clone()))
    }
}

/// Where a training is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Optimiser steps done since the schedule began, so 0 for the first.
    pub step: u64,
    /// Optimiser steps that the schedule covers: usually those of the whole training.
    pub steps: u64,
    /// Epochs done, so 0 in the first.
    pub epoch: u64,
}

/// The learning rate as a share of the one that was set.
pub trait Schedule: Send + Sync {
    /// The share for the step that comes next, 0…1.
    fn factor(&self, at: Position) -> f64;

    /// Takes notice of an epoch's validation; most schedules need none.
    fn observe(&mut self, _validation: &Validation) {}

    /// What it remembers, for a checkpoint; null for most.
    fn state(&self) -> Value {
        Value::Null
    }

    /// Goes on from what the same schedule remembered.
    ///
    /// # Errors
    /// [`Error::State`] if it is not of this schedule.
    fn restore(&mut self, state: &Value) -> Result<(), Error> {
        if state.is_null() {
            return Ok(());
        }
        Err(Error::State {
            owner: "schedule",
            detail:
                "it remembers nothing, but the checkpoint has something; was it another schedule?"
                    .into(),
        })
    }
}

/// From `start` to `end` along half a cosine as `progress` goes from 0 to 1 (arXiv 1608.03983).
fn along_cosine(start: f64, end: f64, progress: f64) -> f64 {
    end + (start - end) / 2.0 * (1.0 + (std::f64::consts::PI * progress).cos())
}
