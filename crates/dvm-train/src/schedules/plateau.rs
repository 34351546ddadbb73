//! Down when validation no longer gets better.

use dvm_options::{OptionSpec, Takes};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, Position, Schedule};
use crate::Error;
use crate::validation::{Criterion, Validation};

/// As PyTorch's `ReduceLROnPlateau` with a relative threshold.
struct Plateau {
    criterion: Criterion,
    gamma: f64,
    patience: u64,
    threshold: f64,
    cooldown: u64,
    end: f64,
    progress: Progress,
}

/// What it remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    factor: f64,
    /// The best so far; none before the first number.
    best: Option<f64>,
    /// Epochs in a row that were no better.
    bad_epochs: u64,
    /// Epochs left in which none counts as bad.
    cooldown: u64,
}

pub(super) const ENTRY: Entry = Entry {
    name: "plateau",
    summary: "A tenth of the learning rate whenever validation has not got better for ten epochs",
    plans_ahead: false,
    options: &[
        OptionSpec {
            name: "criterion",
            default: "loss",
            takes: Takes::OneOf(Criterion::WORDS),
            help: "what of the validation is to get better",
        },
        OptionSpec {
            name: "gamma",
            default: "0.1",
            takes: Takes::From(0.0, 1.0),
            help: "what the learning rate is multiplied by",
        },
        OptionSpec {
            name: "patience",
            default: "10",
            takes: Takes::WholeFrom(0),
            help: "epochs without a better one that are let pass",
        },
        OptionSpec {
            name: "threshold",
            default: "1e-4",
            takes: Takes::From(0.0, 1.0),
            help: "share of the best by which another must be better",
        },
        OptionSpec {
            name: "cooldown",
            default: "0",
            takes: Takes::WholeFrom(0),
            help: "epochs after a reduction that do not count as bad",
        },
        OptionSpec {
            name: "end",
            default: "0",
            takes: Takes::Between(0.0, 1.0),
            help: "share of the learning rate below which it does not go",
        },
    ],
    build: |options| {
        Ok(Box::new(Plateau {
            criterion: Criterion::find(options.word("criterion"))
                .expect("the options were checked"),
            gamma: options.number("gamma"),
            patience: options.number("patience") as u64,
            threshold: options.number("threshold"),
            cooldown: options.number("cooldown") as u64,
            end: options.number("end"),
            progress: Progress {
                factor: 1.0,
                best: None,
                bad_epochs: 0,
                cooldown: 0,
            },
        }))
    },
};

impl Schedule for Plateau {
    fn factor(&self, _: Position) -> f64 {
        self.progress.factor
    }

    fn observe(&mut self, validation: &Validation) {
        let now = self.criterion.value(validation);
        let progress = &mut self.progress;
        if self.criterion.is_better(now, progress.best, self.threshold) {
            progress.best = Some(now);
            progress.bad_epochs = 0;
        } else {
            progress.bad_epochs += 1;
        }
        if progress.cooldown > 0 {
            progress.cooldown -= 1;
            progress.bad_epochs = 0;
        }
        if progress.bad_epochs > self.patience {
            progress.factor = (progress.factor * self.gamma).max(self.end);
            progress.cooldown = self.cooldown;
            progress.bad_epochs = 0;
        }
    }

    fn state(&self) -> Value {
        serde_json::to_value(&self.progress).expect("numbers are JSON")
    }

    fn restore(&mut self, state: &Value) -> Result<(), Error> {
        let refuse = |detail: String| Error::State {
            owner: "schedule",
            detail: format!("it is no state of `plateau`: {detail}"),
        };
        let progress = Progress::deserialize(state).map_err(|e| refuse(e.to_string()))?;
        if !(0.0..=1.0).contains(&progress.factor) {
            return Err(refuse(format!("a factor of {}", progress.factor)));
        }
        self.progress = progress;
        Ok(())
    }
}
