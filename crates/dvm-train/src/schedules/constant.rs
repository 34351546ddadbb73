//! A constant learning rate.

use super::{Schedule, ScheduleEntry, SchedulePosition};

/// A constant learning rate.
struct Constant;

pub(super) const ENTRY: ScheduleEntry = ScheduleEntry {
    name: "constant",
    summary: "Constant learning rate",
    plans_ahead: false,
    options: &[],
    build: |_| Ok(Box::new(Constant)),
};

impl Schedule for Constant {
    fn factor(&self, _: SchedulePosition) -> f64 {
        1.0
    }
}
