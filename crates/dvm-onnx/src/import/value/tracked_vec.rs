//! Vectors whose memory is counted as long as they live.
//!
//! A small file can ask for constants of any size. What matters is how much is in use at one time: a network that makes
//! the same large constant in each of its blocks needs memory for one of them.

use std::cell::Cell;
use std::ops::Deref;

thread_local! {
    /// Bytes of all tracked vectors of this thread.
    static IN_USE: Cell<usize> = const { Cell::new(0) };
}

/// Bytes of this thread's tracked vectors.
pub(crate) fn bytes_in_use() -> usize {
    IN_USE.with(Cell::get)
}

/// A vector that is counted. It must be dropped on the thread that made it.
#[derive(Debug, PartialEq)]
pub(crate) struct TrackedVec<T> {
    values: Vec<T>,
    bytes: usize,
}

impl<T> From<Vec<T>> for TrackedVec<T> {
    fn from(values: Vec<T>) -> Self {
        let bytes = values.capacity() * size_of::<T>();
        IN_USE.with(|in_use| in_use.set(in_use.get() + bytes));
        Self { values, bytes }
    }
}

impl<T> Drop for TrackedVec<T> {
    fn drop(&mut self) {
        IN_USE.with(|in_use| in_use.set(in_use.get().saturating_sub(self.bytes)));
    }
}

impl<T> Deref for TrackedVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_counted_until_it_is_dropped() {
        let before = bytes_in_use();
        let values = TrackedVec::from(vec![0.0f32; 100]);
        assert_eq!(bytes_in_use() - before, 400);
        drop(values);
        assert_eq!(bytes_in_use(), before);
    }
}
