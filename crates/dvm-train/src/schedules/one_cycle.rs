//! One cycle: up and down along half a cosine each.

use dvm_options::{OptionSpec, Takes};

use super::{Entry, Position, Schedule, along_cosine};

/// arXiv 1708.07120 as PyTorch's `OneCycleLR` in two phases, the learning rate set being the largest;
/// momentum stays as it is.
struct OneCycle {
    rise: f64,
    divisor: f64,
    final_divisor: f64,
}

pub(super) const ENTRY: Entry = Entry {
    name: "one_cycle",
    summary: "From a 25th up to the learning rate in the first 30 % of steps, then down to nothing",
    plans_ahead: true,
    options: &[
        OptionSpec {
            name: "rise",
            default: "0.3",
            takes: Takes::Between(0.0, 1.0),
            help: "share of the steps in which the learning rate rises",
        },
        OptionSpec {
            name: "divisor",
            default: "25",
            takes: Takes::AtLeast(1.0),
            help: "it starts at the learning rate divided by this",
        },
        OptionSpec {
            name: "final_divisor",
            default: "10000",
            takes: Takes::AtLeast(1.0),
            help: "it ends at the start divided by this",
        },
    ],
    build: |options| {
        Ok(Box::new(OneCycle {
            rise: options.number("rise"),
            divisor: options.number("divisor"),
            final_divisor: options.number("final_divisor"),
        }))
    },
};

impl Schedule for OneCycle {
    fn factor(&self, at: Position) -> f64 {
        let start = 1.0 / self.divisor;
        let end = start / self.final_divisor;
        let step = at.step as f64;
        // PyTorch's phases end at the last step of each, which need not be a whole number.
        let top = self.rise * at.steps as f64 - 1.0;
        let last = at.steps as f64 - 1.0;
        if step < top {
            along_cosine(start, 1.0, step / top)
        } else if step < last {
            along_cosine(1.0, end, (step - top) / (last - top))
        } else {
            end
        }
    }
}
