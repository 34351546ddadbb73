//! Learning rate schedules, one file each. To add one, add a file here and a line in [`ALL`].

mod constant;
mod cosine;
mod one_cycle;
mod plateau;
mod step;

use dvm_options::{OptionSpec, Resolved, Settings};
use serde_json::Value;

use crate::Error;
use crate::option::{self, resolve};
use crate::validation::Validation;

/// The description of a schedule.
#[derive(Debug)]
pub struct ScheduleEntry {
    /// The name.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// Whether the learning rate depends on the total number of epochs.
    pub plans_ahead: bool,
    /// Creates the schedule from its options.
    build: fn(&Resolved) -> Result<Box<dyn Schedule>, Error>,
}

/// All schedules.
pub static ALL: &[ScheduleEntry] = &[
    constant::ENTRY,
    step::ENTRY,
    cosine::ENTRY,
    one_cycle::ENTRY,
    plateau::ENTRY,
];

/// The schedule of this name.
///
/// # Errors
/// [`Error::Unknown`] with the known names.
pub fn find(name: &str) -> Result<&'static ScheduleEntry, Error> {
    option::find("schedule", ALL, |entry| entry.name, name)
}

impl ScheduleEntry {
    /// Creates the schedule. Returns its options with defaults filled in, too.
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

/// The position in a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulePosition {
    /// The step, from 0, counted from the start of the schedule.
    pub step: u64,
    /// Number of steps that the schedule covers, usually all steps of the training.
    pub steps: u64,
    /// The epoch, from 0.
    pub epoch: u64,
}

/// Gives the learning rate of each step as a share of the base learning rate.
pub trait Schedule: Send + Sync {
    /// The share at this position, 0…1.
    fn factor(&self, at: SchedulePosition) -> f64;

    /// Takes the validation of an epoch into account; most schedules ignore it.
    fn observe(&mut self, _validation: &Validation) {}

    /// The state, for a checkpoint; null for most schedules.
    fn state(&self) -> Value {
        Value::Null
    }

    /// Restores a saved state.
    ///
    /// # Errors
    /// [`Error::State`] if it is the state of another schedule.
    fn restore(&mut self, state: &Value) -> Result<(), Error> {
        if state.is_null() {
            return Ok(());
        }
        Err(Error::State {
            owner: "schedule",
            detail:
                "this schedule has no state, but the checkpoint has one; was the run made with another schedule?"
                    .into(),
        })
    }
}

/// Cosine annealing from `start` to `end` as `progress` goes from 0 to 1 (arXiv 1608.03983).
fn along_cosine(start: f64, end: f64, progress: f64) -> f64 {
    end + (start - end) / 2.0 * (1.0 + (std::f64::consts::PI * progress).cos())
}
