//! Early stopping.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Criterion, Error, Validation};

/// Stops the training after a number of epochs without improvement.
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    criterion: Criterion,
    patience: u64,
    progress: Progress,
}

/// The state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// The best value so far.
    best: Option<f64>,
    /// Epochs since then.
    epochs_since: u64,
}

/// What follows from the validation of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoppingDecision {
    /// Whether it is the best epoch so far.
    pub best: bool,
    /// Whether training should stop.
    pub stop: bool,
}

impl EarlyStopping {
    /// Stops after `patience` epochs without improvement; 0 for never.
    pub fn new(criterion: Criterion, patience: u64) -> Self {
        Self {
            criterion,
            patience,
            progress: Progress::default(),
        }
    }

    /// Takes the validation of an epoch into account. An equal value is not an improvement.
    pub fn observe(&mut self, validation: &Validation) -> StoppingDecision {
        let now = self.criterion.value(validation);
        let best = self.criterion.is_better(now, self.progress.best, 0.0);
        if best {
            self.progress = Progress {
                best: Some(now),
                epochs_since: 0,
            };
        } else {
            self.progress.epochs_since += 1;
        }
        StoppingDecision {
            best,
            stop: self.patience > 0 && self.progress.epochs_since >= self.patience,
        }
    }

    /// Counts from 0 again, for a training that it ended and that gets more epochs.
    pub fn wait_again(&mut self) {
        self.progress.epochs_since = 0;
    }

    /// The state, for a checkpoint.
    pub fn state(&self) -> Value {
        serde_json::to_value(&self.progress).expect("numbers are JSON")
    }

    /// Restores a saved state.
    ///
    /// # Errors
    /// [`Error::State`] if it is not a state of early stopping.
    pub fn restore(&mut self, state: &Value) -> Result<(), Error> {
        self.progress = Progress::deserialize(state).map_err(|e| Error::State {
            owner: "early stopping",
            detail: e.to_string(),
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accuracy(accuracy: f64) -> Validation {
        Validation {
            loss: f64::NAN,
            accuracy,
            balanced_accuracy: f64::NAN,
        }
    }

    fn decisions(stopping: &mut EarlyStopping, numbers: &[f64]) -> Vec<(bool, bool)> {
        let decision = |&x: &f64| {
            let StoppingDecision { best, stop } = stopping.observe(&accuracy(x));
            (best, stop)
        };
        numbers.iter().map(decision).collect()
    }

    #[test]
    fn it_stops_after_patience_epochs_without_improvement() {
        let mut stopping = EarlyStopping::new(Criterion::Accuracy, 2);
        let found = decisions(&mut stopping, &[0.5, 0.4, 0.6, 0.6, f64::NAN]);
        let (better, worse, end) = ((true, false), (false, false), (false, true));
        assert_eq!(found, [better, worse, better, worse, end]);
    }

    #[test]
    fn a_patience_of_zero_never_stops() {
        let mut stopping = EarlyStopping::new(Criterion::Accuracy, 0);
        let found = decisions(&mut stopping, &[0.5; 50]);
        assert!(found.iter().all(|(_, stop)| !stop));
    }

    #[test]
    fn a_restored_state_gives_the_same_decisions() {
        let mut whole = EarlyStopping::new(Criterion::Accuracy, 3);
        decisions(&mut whole, &[0.1 + 0.2, 0.1, 0.2]);
        let text = whole.state().to_string();
        let mut restored = EarlyStopping::new(Criterion::Accuracy, 3);
        restored
            .restore(&serde_json::from_str(&text).unwrap())
            .unwrap();
        assert_eq!(whole.progress, restored.progress);
        assert_eq!(decisions(&mut restored, &[0.3]), [(false, true)]);
        assert!(restored.restore(&Value::Null).is_err());
    }
}
