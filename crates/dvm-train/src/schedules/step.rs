//! Steps down every so many epochs.

use dvm_options::{OptionSpec, Takes};

use super::{Entry, Position, Schedule};

/// `gamma` to the power ⌊epoch / every⌋, as PyTorch's `StepLR` stepped once an epoch.
struct Steps {
    every: u64,
    gamma: f64,
}

pub(super) const ENTRY: Entry = Entry {
    name: "step",
    summary: "A tenth of the learning rate every 30 epochs, or another share after others",
    plans_ahead: false,
    options: &[
        OptionSpec {
            name: "every",
            default: "30",
            takes: Takes::WholeFrom(1),
            help: "epochs between two steps",
        },
        OptionSpec {
            name: "gamma",
            default: "0.1",
            takes: Takes::Between(0.0, 1.0),
            help: "what the learning rate is multiplied by",
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
    fn factor(&self, at: Position) -> f64 {
        self.gamma.powf((at.epoch / self.every) as f64)
    }
}
