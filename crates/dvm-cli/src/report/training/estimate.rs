//! How long a training still takes, from what its kinds of work took up to now.

use std::collections::BTreeMap;
use std::time::Duration;

use dvm::training::Phase;

/// Seconds until a training and its report are done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    pub seconds: f64,
    /// Whether work comes that was not seen yet: then it takes longer.
    pub at_least: bool,
}

/// What a training is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    Beginning,
    Steps,
    Validation,
    Maps,
    Saving,
    ReportEvaluation,
    ReportMaps,
    /// All that is done before the first step.
    Preparing(&'static str),
}

impl From<Phase> for Work {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Check => Self::Preparing("checking pictures"),
            Phase::TrainingFeatures => Self::Preparing("features of training pictures"),
            Phase::ValidationFeatures => Self::Preparing("features of validation pictures"),
            Phase::Validation => Self::Validation,
            Phase::Maps => Self::Maps,
            Phase::Saving => Self::Saving,
            Phase::ReportEvaluation => Self::ReportEvaluation,
            Phase::ReportMaps => Self::ReportMaps,
        }
    }
}

impl Work {
    /// Whether it is done before the first step.
    pub fn is_preparation(self) -> bool {
        matches!(self, Self::Preparing(_))
    }

    /// Its name in the view and in lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::Steps => "step",
            Self::Validation => "validating",
            Self::Maps => "TensorBoard maps",
            Self::Saving => "saving",
            Self::ReportEvaluation => "report: evaluating",
            Self::ReportMaps => "report: maps",
            Self::Preparing(name) => name,
        }
    }
}

/// What is planned.
#[derive(Debug, Default)]
pub struct Plan {
    pub epochs: usize,
    /// Training pictures.
    pub training: usize,
    /// Validation pictures.
    pub validation: usize,
    /// Epochs after which maps are drawn.
    pub map_epochs: Vec<usize>,
}

/// Maps that a report has at most.
const REPORT_MAPS: f64 = 12.0;
/// A forward walk takes about a third of a step of training.
const FORWARD: f64 = 1.0 / 3.0;

/// Measures the kinds of work, and says what is left.
#[derive(Debug)]
pub struct Estimate {
    plan: Plan,
    /// What is done now, and how much of it.
    pub work: Work,
    pub done: usize,
    pub total: usize,
    /// The epoch that is trained, from 1.
    epoch: usize,
    /// Steps of an epoch.
    steps: usize,
    /// Maps that an epoch draws, if it draws any.
    maps: usize,
    /// When the last event came.
    last: Duration,
    /// Seconds of one unit of each kind of work, and how many units were seen.
    units: BTreeMap<Work, (f64, usize)>,
}

impl Estimate {
    pub fn new() -> Self {
        Self {
            plan: Plan::default(),
            work: Work::Beginning,
            done: 0,
            total: 0,
            epoch: 1,
            steps: 0,
            maps: 0,
            last: Duration::ZERO,
            units: BTreeMap::new(),
        }
    }

    /// Training begins.
    pub fn start(&mut self, plan: Plan, first_epoch: usize, now: Duration) {
        (self.plan, self.epoch, self.last) = (plan, first_epoch, now);
    }

    /// So much of this work is done.
    pub fn see(&mut self, work: Work, done: usize, total: usize, now: Duration) {
        let before = if work == self.work && done > self.done {
            self.done
        } else {
            0
        };
        // A resumed epoch begins in the middle: only the last step was seen.
        let units = match work {
            Work::Steps => done.min(1),
            _ => done.saturating_sub(before),
        };
        let passed = now.saturating_sub(self.last).as_secs_f64();
        // A phase tells when it begins; time before that belongs to nothing that comes again.
        if units > 0 {
            let (seconds, seen) = self.units.entry(work).or_insert((0.0, 0));
            *seconds += passed;
            *seen += units;
        }
        match work {
            Work::Steps => self.steps = total,
            Work::Maps => self.maps = total,
            _ => {}
        }
        self.last = now;
        (self.work, self.done, self.total) = (work, done, total);
    }

    /// An epoch is over.
    pub fn end_epoch(&mut self, now: Duration) {
        self.epoch += 1;
        (self.work, self.done, self.total) = (Work::Beginning, 0, 0);
        self.last = now;
    }

    /// How much of the work at hand is done: 0 to 1.
    pub fn share(&self) -> f64 {
        (self.done as f64 / self.total.max(1) as f64).clamp(0.0, 1.0)
    }

    /// What is left until the report is written; none before the first step. `wrong` is the share of
    /// validation pictures that are not recognised: the report draws some of those.
    pub fn left(&self, now: Duration, wrong: f64) -> Option<Left> {
        let unit = |work| {
            self.units
                .get(&work)
                .map(|&(seconds, seen)| seconds / seen as f64)
        };
        let step = unit(Work::Steps);
        let mut at_least = false;
        let mut or_zero = |seconds: Option<f64>, count: f64| {
            at_least |= seconds.is_none() && count > 0.0;
            count * seconds.unwrap_or(0.0)
        };
        // Of the work at hand, what is left; of other work, all of it.
        let rest = |work: Work, all: f64| match self.work == work {
            true => all * (1.0 - self.share()),
            false => all,
        };
        let validation = self.plan.validation as f64;
        let per_step = self.plan.training as f64 / self.steps.max(1) as f64;
        let guessed = step.map(|step| FORWARD * step / per_step.max(1.0));
        let each_validated = unit(Work::Validation).or(guessed);
        let maps = unit(Work::Maps).map(|seconds| seconds * self.maps as f64);
        let saving = unit(Work::Saving).unwrap_or(0.0);
        let is_due = |epoch: usize| f64::from(u8::from(self.plan.map_epochs.contains(&epoch)));

        let mut seconds = 0.0;
        if self.epoch <= self.plan.epochs {
            // In the order of an epoch: what comes before the work at hand is done.
            let order = [Work::Steps, Work::Validation, Work::Maps, Work::Saving];
            let at = order
                .iter()
                .position(|&work| work == self.work)
                .unwrap_or(0);
            let steps = step? * self.steps as f64;
            for work in &order[at..] {
                seconds += match work {
                    Work::Steps => rest(Work::Steps, steps),
                    Work::Validation => or_zero(each_validated, rest(Work::Validation, validation)),
                    Work::Maps => or_zero(maps, rest(Work::Maps, is_due(self.epoch))),
                    _ => rest(Work::Saving, saving),
                };
            }
            for epoch in self.epoch + 1..=self.plan.epochs {
                seconds += steps + saving + or_zero(each_validated, validation);
                seconds += or_zero(maps, is_due(epoch));
            }
        }
        if self.work != Work::ReportMaps {
            let validated = unit(Work::ReportEvaluation).or(each_validated);
            seconds += or_zero(validated, rest(Work::ReportEvaluation, validation));
        }
        let count = match self.work {
            Work::ReportMaps => self.total as f64,
            _ => (wrong * validation).round().min(REPORT_MAPS),
        };
        let map = unit(Work::ReportMaps).or(unit(Work::Maps));
        seconds += or_zero(map, rest(Work::ReportMaps, count));
        let since = now.saturating_sub(self.last).as_secs_f64();
        Some(Left {
            seconds: (seconds - since).max(0.0),
            at_least,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn estimate(map_epochs: &[usize]) -> Estimate {
        let mut estimate = Estimate::new();
        let plan = Plan {
            epochs: 3,
            training: 80,
            validation: 20,
            map_epochs: map_epochs.to_vec(),
        };
        estimate.start(plan, 1, at(0));
        estimate
    }

    /// Four steps of 2 seconds, validation of 4 seconds, and maps of 6 seconds where they are due.
    fn epoch(estimate: &mut Estimate, begin: u64, maps: bool) -> u64 {
        for step in 1..=4 {
            estimate.see(Work::Steps, step, 4, at(begin + 2 * step as u64));
        }
        estimate.see(Work::Validation, 0, 20, at(begin + 8));
        estimate.see(Work::Validation, 20, 20, at(begin + 12));
        let mut end = begin + 12;
        if maps {
            estimate.see(Work::Maps, 0, 2, at(end));
            estimate.see(Work::Maps, 1, 2, at(end + 3));
            estimate.see(Work::Maps, 2, 2, at(end + 6));
            end += 6;
        }
        estimate.end_epoch(at(end));
        end
    }

    #[test]
    fn nothing_is_said_before_the_first_step() {
        let mut estimate = estimate(&[]);
        assert_eq!(estimate.left(at(1), 0.0), None);
        estimate.see(Work::from(Phase::Check), 10, 100, at(2));
        assert_eq!(estimate.left(at(2), 0.0), None);
    }

    #[test]
    fn the_first_epoch_guesses_validation_from_steps_and_owns_that_maps_are_unknown() {
        let mut estimate = estimate(&[1]);
        estimate.see(Work::Steps, 1, 4, at(2));
        // 3 + 8 steps; 20 pictures at a third of 2 / 20 seconds, for each epoch and the report.
        let left = estimate.left(at(2), 0.0).unwrap();
        assert!(
            (left.seconds - (22.0 + 4.0 * 20.0 / 30.0)).abs() < 1e-9,
            "{left:?}"
        );
        assert!(left.at_least);
    }

    #[test]
    fn phases_of_the_first_epoch_are_counted_in_those_to_come() {
        let mut estimate = estimate(&[1, 3]);
        let end = epoch(&mut estimate, 0, true);
        // Two epochs of 12 seconds, maps in one of them, and the report: 4 seconds, and 3 for each
        // map of a wrong picture, of which there are 2.
        let left = estimate.left(at(end), 0.1).unwrap();
        assert_eq!(
            (left.seconds, left.at_least),
            (24.0 + 6.0 + 4.0 + 6.0, false)
        );
        // Half of the validation of the second epoch.
        for step in 1..=4 {
            estimate.see(Work::Steps, step, 4, at(end + 2 * step as u64));
        }
        estimate.see(Work::Validation, 0, 20, at(end + 8));
        estimate.see(Work::Validation, 10, 20, at(end + 10));
        let left = estimate.left(at(end + 10), 0.0).unwrap();
        assert_eq!(left.seconds, 2.0 + 12.0 + 6.0 + 4.0);
    }

    #[test]
    fn the_report_is_part_of_what_is_left() {
        let mut estimate = estimate(&[1]);
        let mut end = epoch(&mut estimate, 0, true);
        end = epoch(&mut estimate, end, false);
        end = epoch(&mut estimate, end, false);
        assert_eq!(estimate.left(at(end), 0.1).unwrap().seconds, 4.0 + 6.0);
        estimate.see(Work::ReportEvaluation, 0, 20, at(end));
        estimate.see(Work::ReportEvaluation, 10, 20, at(end + 2));
        assert_eq!(estimate.left(at(end + 2), 0.1).unwrap().seconds, 2.0 + 6.0);
        estimate.see(Work::ReportMaps, 0, 2, at(end + 4));
        estimate.see(Work::ReportMaps, 1, 2, at(end + 7));
        assert_eq!(estimate.left(at(end + 8), 0.1).unwrap().seconds, 2.0);
    }

    #[test]
    fn a_resumed_epoch_counts_the_steps_of_this_process() {
        let mut estimate = estimate(&[]);
        estimate.see(Work::Steps, 3, 4, at(2));
        // One step of 2 seconds was seen, and nine are left.
        let left = estimate.left(at(2), 0.0).unwrap().seconds;
        assert!((left - (18.0 + 4.0 * 20.0 / 30.0)).abs() < 1e-9, "{left}");
    }
}
