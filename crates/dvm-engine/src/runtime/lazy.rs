//! Things that are made in parallel when they are first asked for, and then kept.

use std::sync::OnceLock;

/// What is in the cell, made if there is nothing. It is made in parallel, so no lock may be held
/// meanwhile: a core that waits for others takes up other work, which may ask for the same.
pub(crate) fn get_or_make<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    match cell.get() {
        Some(made) => made,
        None => {
            let made = make();
            cell.get_or_init(|| made)
        }
    }
}
