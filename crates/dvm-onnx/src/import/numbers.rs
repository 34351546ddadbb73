//! The numbers of arrays, whose memory is counted as long as they live.
//!
//! A small file can ask for constants of any size. What matters is how much there is at a time: a network
//! that makes the same large constant in each of its blocks needs no more than one of them. So every list
//! of numbers says when it is made and when it goes.

use std::cell::Cell;
use std::ops::Deref;

thread_local! {
    /// Bytes of all lists of this thread.
    static LIVING: Cell<usize> = const { Cell::new(0) };
}

/// Bytes that the arrays of this thread take now.
pub(crate) fn living() -> usize {
    LIVING.with(Cell::get)
}

/// Numbers that are counted. They are dropped on the thread that made them.
#[derive(Debug, PartialEq)]
pub(crate) struct Numbers<T> {
    values: Vec<T>,
    bytes: usize,
}

impl<T> From<Vec<T>> for Numbers<T> {
    fn from(values: Vec<T>) -> Self {
        let bytes = values.capacity() * size_of::<T>();
        LIVING.with(|living| living.set(living.get() + bytes));
        Self { values, bytes }
    }
}

impl<T> Drop for Numbers<T> {
    fn drop(&mut self) {
        LIVING.with(|living| living.set(living.get().saturating_sub(self.bytes)));
    }
}

impl<T> Deref for Numbers<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_long_as_they_live() {
        let before = living();
        let numbers = Numbers::from(vec![0.0f32; 100]);
        assert_eq!(living() - before, 400);
        drop(numbers);
        assert_eq!(living(), before);
    }
}
