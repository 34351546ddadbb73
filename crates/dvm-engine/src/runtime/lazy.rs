//! Values that are made in parallel at first use, and then kept.

use std::sync::OnceLock;

/// The value of the cell, made if it is empty. No lock is held meanwhile: a core that waits for others
/// takes up other work, which may need the same value.
pub(crate) fn get_or_make<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    match cell.get() {
        Some(made) => made,
        None => {
            let made = make();
            cell.get_or_init(|| made)
        }
    }
}
