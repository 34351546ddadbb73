//! Estimates the time left of a training from the time of each kind of work.

use std::collections::BTreeMap;
use std::time::Duration;

use dvm::training::Phase;

/// Time left until a training and its report are done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    pub seconds: f64,
    /// Whether it takes longer, because some kinds of work were not measured yet.
    pub at_least: bool,
}

/// A kind of work of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    Starting,
    Steps,
    Validation,
    Maps,
    Saving,
    ReportEvaluation,
    ReportMaps,
    /// Work before the first step.
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
    /// Whether it is before the first step.
    pub fn is_preparation(self) -> bool {
        matches!(self, Self::Preparing(_))
    }

    /// Its name in the live view and in lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
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

/// The size of a training.
#[derive(Debug, Default)]
pub struct Plan {
    pub epochs: usize,
    /// Training pictures.
    pub training: usize,
    /// Validation pictures.
    pub validation: usize,
    /// Epochs with maps at their end.
    pub map_epochs: Vec<usize>,
}

/// Most maps of a report.
const REPORT_MAPS: f64 = 12.0;
/// Time of a forward pass relative to a training step.
const FORWARD: f64 = 1.0 / 3.0;

/// Measures the kinds of work and estimates the time left.
#[derive(Debug)]
pub struct Estimate {
    plan: Plan,
    /// The current work, and the number of its units done.
    pub work: Work,
    pub done: usize,
    pub total: usize,
    /// The current epoch, from 1.
    epoch: usize,
    /// Steps per epoch.
    steps: usize,
    /// Maps per epoch with maps.
    maps: usize,
    /// Time of the last event.
    last: Duration,
    /// Seconds and number of measured units of each kind of work.
    units: BTreeMap<Work, (f64, usize)>,
}

impl Estimate {
    pub fn new() -> Self {
        Self {
            plan: Plan::default(),
            work: Work::Starting,
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

    /// Takes in that `done` of `total` units of `work` are done.
    pub fn update(&mut self, work: Work, done: usize, total: usize, now: Duration) {
        let before = if work == self.work && done > self.done {
            self.done
        } else {
            0
        };
        // A resumed epoch starts in the middle: only the last step was measured.
        let units = match work {
            Work::Steps => done.min(1),
            _ => done.saturating_sub(before),
        };
        let passed = now.saturating_sub(self.last).as_secs_f64();
        // Without units, a phase has just begun; the time before it is not measured.
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

    /// Ends an epoch.
    pub fn end_epoch(&mut self, now: Duration) {
        self.epoch += 1;
        (self.work, self.done, self.total) = (Work::Starting, 0, 0);
        self.last = now;
    }

    /// Share of the current work that is done, 0 to 1.
    pub fn share(&self) -> f64 {
        (self.done as f64 / self.total.max(1) as f64).clamp(0.0, 1.0)
    }

    /// Time left until the report is written; none before the first step. `wrong`: share of wrongly
    /// classified validation pictures, because the report has maps for some of them.
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
        // The rest of the current work; all of other work.
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
            // In the order of an epoch; everything before the current work is done.
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
            estimate.update(Work::Steps, step, 4, at(begin + 2 * step as u64));
        }
        estimate.update(Work::Validation, 0, 20, at(begin + 8));
        estimate.update(Work::Validation, 20, 20, at(begin + 12));
        let mut end = begin + 12;
        if maps {
            estimate.update(Work::Maps, 0, 2, at(end));
            estimate.update(Work::Maps, 1, 2, at(end + 3));
            estimate.update(Work::Maps, 2, 2, at(end + 6));
            end += 6;
        }
        estimate.end_epoch(at(end));
        end
    }

    #[test]
    fn there_is_no_estimate_before_the_first_step() {
        let mut estimate = estimate(&[]);
        assert_eq!(estimate.left(at(1), 0.0), None);
        estimate.update(Work::from(Phase::Check), 10, 100, at(2));
        assert_eq!(estimate.left(at(2), 0.0), None);
    }

    #[test]
    fn in_the_first_epoch_validation_is_estimated_from_steps_and_maps_are_unknown() {
        let mut estimate = estimate(&[1]);
        estimate.update(Work::Steps, 1, 4, at(2));
        // 3 + 8 steps; 20 pictures at a third of 2 / 20 seconds, for each epoch and the report.
        let left = estimate.left(at(2), 0.0).unwrap();
        assert!(
            (left.seconds - (22.0 + 4.0 * 20.0 / 30.0)).abs() < 1e-9,
            "{left:?}"
        );
        assert!(left.at_least);
    }

    #[test]
    fn phases_of_the_first_epoch_are_used_for_the_next_epochs() {
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
            estimate.update(Work::Steps, step, 4, at(end + 2 * step as u64));
        }
        estimate.update(Work::Validation, 0, 20, at(end + 8));
        estimate.update(Work::Validation, 10, 20, at(end + 10));
        let left = estimate.left(at(end + 10), 0.0).unwrap();
        assert_eq!(left.seconds, 2.0 + 12.0 + 6.0 + 4.0);
    }

    #[test]
    fn the_time_left_includes_the_report() {
        let mut estimate = estimate(&[1]);
        let mut end = epoch(&mut estimate, 0, true);
        end = epoch(&mut estimate, end, false);
        end = epoch(&mut estimate, end, false);
        assert_eq!(estimate.left(at(end), 0.1).unwrap().seconds, 4.0 + 6.0);
        estimate.update(Work::ReportEvaluation, 0, 20, at(end));
        estimate.update(Work::ReportEvaluation, 10, 20, at(end + 2));
        assert_eq!(estimate.left(at(end + 2), 0.1).unwrap().seconds, 2.0 + 6.0);
        estimate.update(Work::ReportMaps, 0, 2, at(end + 4));
        estimate.update(Work::ReportMaps, 1, 2, at(end + 7));
        assert_eq!(estimate.left(at(end + 8), 0.1).unwrap().seconds, 2.0);
    }

    #[test]
    fn a_resumed_epoch_measures_only_steps_of_this_process() {
        let mut estimate = estimate(&[]);
        estimate.update(Work::Steps, 3, 4, at(2));
        // One step of 2 seconds was seen, and nine are left.
        let left = estimate.left(at(2), 0.0).unwrap().seconds;
        assert!((left - (18.0 + 4.0 * 20.0 / 30.0)).abs() < 1e-9, "{left}");
    }
}
