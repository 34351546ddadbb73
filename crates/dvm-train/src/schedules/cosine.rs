//! Linear warm-up, then cosine annealing.

use dvm_options::{OptionSpec, Takes};

use super::{Schedule, ScheduleEntry, SchedulePosition, along_cosine};

/// arXiv 1608.03983 without restarts, with the warm-up of arXiv 1706.02677: PyTorch's `LinearLR`
/// followed by `CosineAnnealingLR`, stepped after every optimiser step.
struct Cosine {
    warm_up: f64,
    start: f64,
    end: f64,
}

pub(super) const ENTRY: ScheduleEntry = ScheduleEntry {
    name: "cosine",
    summary: "Linear warm-up, then cosine annealing to 0",
    plans_ahead: true,
    options: &[
        OptionSpec {
            name: "warm_up",
            default: "0.05",
            takes: Takes::From(0.0, 1.0),
            help: "length of the warm-up, as a share of all steps",
        },
        OptionSpec {
            name: "start",
            default: "0.01",
            takes: Takes::Between(0.0, 1.0),
            help: "start of the warm-up, as a share of the learning rate",
        },
        OptionSpec {
            name: "end",
            default: "0",
            takes: Takes::Between(0.0, 1.0),
            help: "end of the cosine, as a share of the learning rate",
        },
    ],
    build: |options| {
        Ok(Box::new(Cosine {
            warm_up: options.number("warm_up"),
            start: options.number("start"),
            end: options.number("end"),
        }))
    },
};

impl Schedule for Cosine {
    fn factor(&self, at: SchedulePosition) -> f64 {
        let rising = (self.warm_up * at.steps as f64).round() as u64;
        if at.step < rising {
            return self.start + (1.0 - self.start) * at.step as f64 / rising as f64;
        }
        let falling = at.steps.saturating_sub(rising).max(1);
        let progress = (at.step - rising) as f64 / falling as f64;
        along_cosine(1.0, self.end, progress.min(1.0))
    }
}
