//! No schedule.

use super::{Entry, Position, Schedule};

/// The learning rate stays as it was set.
struct Constant;

pub(super) const ENTRY: Entry = Entry {
    name: "constant",
    summary: "The learning rate stays as it was set",
    plans_ahead: false,
    options: &[],
    build: |_| Ok(Box::new(Constant)),
};

impl Schedule for Constant {
    fn factor(&self, _: Position) -> f64 {
        1.0
    }
}
