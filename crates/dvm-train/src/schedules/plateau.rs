//! Lowers the learning rate when validation stops improving.

use dvm_options::{OptionSpec, Takes};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Schedule, ScheduleEntry, SchedulePosition};
use crate::Error;
use crate::validation::{Criterion, Validation};

/// PyTorch's `ReduceLROnPlateau` with a relative threshold.
struct Plateau {
    criterion: Criterion,
    gamma: f64,
    patience: u64,
    threshold: f64,
    cooldown: u64,
    end: f64,
    progress: Progress,
}

/// The state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    factor: f64,
    /// The best value so far.
    best: Option<f64>,
    /// Consecutive epochs without improvement.
    bad_epochs: u64,
    /// Remaining epochs that do not count as bad.
    cooldown: u64,
}

pub(super) const ENTRY: ScheduleEntry = ScheduleEntry {
    name: "plateau",
    summary: "Divides the learning rate by 10 after 10 epochs without improvement in validation",
    plans_ahead: false,
    options: &[
        OptionSpec {
            name: "criterion",
            default: "loss",
            takes: Takes::OneOf(Criterion::WORDS),
            help: "the validation value to watch",
        },
        OptionSpec {
            name: "gamma",
            default: "0.1",
            takes: Takes::From(0.0, 1.0),
            help: "factor by which the learning rate is multiplied",
        },
        OptionSpec {
            name: "patience",
            default: "10",
            takes: Takes::WholeFrom(0),
            help: "epochs without improvement before the learning rate is lowered",
        },
        OptionSpec {
            name: "threshold",
            default: "1e-4",
            takes: Takes::From(0.0, 1.0),
            help: "smallest relative improvement that counts",
        },
        OptionSpec {
            name: "cooldown",
            default: "0",
            takes: Takes::WholeFrom(0),
            help: "epochs after a reduction in which improvement is not required",
        },
        OptionSpec {
            name: "end",
            default: "0",
            takes: Takes::Between(0.0, 1.0),
            help: "lower limit, as a share of the learning rate",
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
    fn factor(&self, _: SchedulePosition) -> f64 {
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
            detail: format!("it is not a state of `plateau`: {detail}"),
        };
        let progress = Progress::deserialize(state).map_err(|e| refuse(e.to_string()))?;
        if !(0.0..=1.0).contains(&progress.factor) {
            return Err(refuse(format!(
                "the factor must be from 0 to 1, but is {}",
                progress.factor
            )));
        }
        self.progress = progress;
        Ok(())
    }
}
