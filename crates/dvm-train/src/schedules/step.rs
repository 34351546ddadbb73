//! Lowers the learning rate every few epochs.

use dvm_options::{OptionSpec, Takes};

use super::{Schedule, ScheduleEntry, SchedulePosition};

/// `gamma` to the power ⌊epoch / every⌋, as PyTorch's `StepLR` stepped once an epoch.
struct Steps {
    every: u64,
    gamma: f64,
}

pub(super) const ENTRY: ScheduleEntry = ScheduleEntry {
    name: "step",
    summary: "Divides the learning rate by 10 every 30 epochs",
    plans_ahead: false,
    options: &[
        OptionSpec {
            name: "every",
            default: "30",
            takes: Takes::WholeFrom(1),
            help: "epochs between two reductions",
        },
        OptionSpec {
            name: "gamma",
            default: "0.1",
            takes: Takes::Between(0.0, 1.0),
            help: "factor by which the learning rate is multiplied",
        },
    ],
    build: |options| {
        Ok(Box::new(Steps {
            every: options.number("every") as u64,
            gamma: options.number("gamma"),
        }))
    },
};

impl Schedule for Steps {
    fn factor(&self, at: SchedulePosition) -> f64 {
        self.gamma.powf((at.epoch / self.every) as f64)
    }
}
