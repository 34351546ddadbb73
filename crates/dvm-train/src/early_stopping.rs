//! The end of a training that no longer gets better.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Criterion, Error, Validation};

/// Stops after so many epochs in a row that were no better than the best.
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    criterion: Criterion,
    patience: u64,
    progress: Progress,
}

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// The best so far; none before the first number.
    best: Option<f64>,
    /// Epochs since.
    epochs_since: u64,
}

/// What an epoch's validation means for the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the best so far: a reason to keep its weights.
    pub best: bool,
    /// Whether patience is at its end.
    pub stop: bool,
}

impl EarlyStopping {
    /// Lets `patience` epochs without a better one pass and stops after the last of them; 0 never
    /// stops.
    pub fn new(criterion: Criterion, patience: u64) -> Self {
        Self {
            criterion,
            patience,
            progress: Progress::default(),
        }
    }

    /// Takes notice of an epoch's validation. An equal number is no better one.
    pub fn observe(&mut self, validation: &Validation) -> Verdict {
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
        Verdict {
            best,
            stop: self.patience > 0 && self.progress.epochs_since >= self.patience,
        }
    }

    /// Waits for its patience again: a training that it ended is given more epochs.
    pub fn wait_again(&mut self) {
        self.progress.epochs_since = 0;
    }

    /// What it remembers, for a checkpoint.
    pub fn state(&self) -> Value {
        serde_json::to_value(&self.progress).expect("numbers are JSON")
    }

    /// Goes on from what it remembered.
    ///
    /// # Errors
    /// [`Error::State`] if that is no state of this.
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

    fn verdicts(stopping: &mut EarlyStopping, numbers: &[f64]) -> Vec<(bool, bool)> {
        let verdict = |&x: &f64| {
            let Verdict { best, stop } = stopping.observe(&accuracy(x));
            (best, stop)
        };
        numbers.iter().map(verdict).collect()
    }

    #[test]
    fn it_stops_when_patience_is_at_its_end() {
        let mut stopping = EarlyStopping::new(Criterion::Accuracy, 2);
        let found = verdicts(&mut stopping, &[0.5, 0.4, 0.6, 0.6, f64::NAN]);
        let (better, worse, end) = ((true, false), (false, false), (false, true));
        assert_eq!(found, [better, worse, better, worse, end]);
    }

    #[test]
    fn no_patience_at_all_means_it_never_stops() {
        let mut stopping = EarlyStopping::new(Criterion::Accuracy, 0);
        let found = verdicts(&mut stopping, &[0.5; 50]);
        assert!(found.iter().all(|(_, stop)| !stop));
    }

    #[test]
    fn restored_it_goes_on_alike() {
        let mut whole = EarlyStopping::new(Criterion::Accuracy, 3);
        verdicts(&mut whole, &[0.1 + 0.2, 0.1, 0.2]);
        let text = whole.state().to_string();
        let mut restored = EarlyStopping::new(Criterion::Accuracy, 3);
        restored
            .restore(&serde_json::from_str(&text).unwrap())
            .unwrap();
        assert_eq!(whole.progress, restored.progress);
        assert_eq!(verdicts(&mut restored, &[0.3]), [(false, true)]);
        assert!(restored.restore(&Value::Null).is_err());
    }
}
