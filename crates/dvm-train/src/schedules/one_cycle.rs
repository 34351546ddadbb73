//! One cycle.

use dvm_options::{OptionSpec, Takes};

use super::{Schedule, ScheduleEntry, SchedulePosition, along_cosine};

/// arXiv 1708.07120 as PyTorch's `OneCycleLR` with two phases. The base learning rate is the
/// largest; momentum does not change.
struct OneCycle {
    rise: f64,
    divisor: f64,
    final_divisor: f64,
}

pub(super) const ENTRY: ScheduleEntry = ScheduleEntry {
    name: "one_cycle",
    summary: "Rises from 1/25 of the learning rate during the first 30 % of steps, then falls to almost 0",
    plans_ahead: true,
    options: &[
        OptionSpec {
            name: "rise",
            default: "0.3",
            takes: Takes::Between(0.0, 1.0),
            help: "length of the rise, as a share of all steps",
        },
        OptionSpec {
            name: "divisor",
            default: "25",
            takes: Takes::AtLeast(1.0),
            help: "starts at the learning rate divided by this",
        },
        OptionSpec {
            name: "final_divisor",
            default: "10000",
            takes: Takes::AtLeast(1.0),
            help: "ends at the start value divided by this",
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
    fn factor(&self, at: SchedulePosition) -> f64 {
        let start = 1.0 / self.divisor;
        let end = start / self.final_divisor;
        let step = at.step as f64;
        // As in PyTorch, the end of a phase need not be a whole number.
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
