//! Storage that is used again.
//!
//! A forward pass asks for tens of large arrays and gives them back a moment later. Fresh memory
//! from the operating system costs a page fault every 4 KiB, which took a third of the time of a
//! small network; so what is given back is kept for the next one who asks.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Shorter arrays are cheap to allocate: 64 KiB.
const SHORTEST: usize = 1 << 14;

/// Values kept at most: 1 GiB, as much as the default limit for activations.
const MOST: usize = 1 << 28;

/// An array of f32 whose memory is used again after it is dropped.
pub(crate) struct Buffer(Vec<f32>);

/// Arrays waiting to be used again, by capacity.
struct Shelf {
    arrays: BTreeMap<usize, Vec<Vec<f32>>>,
    values: usize,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf {
    arrays: BTreeMap::new(),
    values: 0,
});

impl Shelf {
    /// The shortest array that holds `len` values without wasting more than half of itself.
    fn take(&mut self, len: usize) -> Option<Vec<f32>> {
        let (&capacity, arrays) = self.arrays.range_mut(len..=2 * len).next()?;
        let array = arrays.pop()?;
        if arrays.is_empty() {
            self.arrays.remove(&capacity);
        }
        self.values -= capacity;
        Some(array)
    }

    fn put(&mut self, array: Vec<f32>) {
        if self.values + array.capacity() <= MOST {
            self.values += array.capacity();
            self.arrays.entry(array.capacity()).or_default().push(array);
        }
    }
}

fn shelf() -> std::sync::MutexGuard<'static, Shelf> {
    // A panic elsewhere cannot leave the shelf half changed in a way that matters.
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Buffer {
    /// `len` values that are to be overwritten: what they are is left open.
    pub fn stale(len: usize) -> Self {
        let taken = if len < SHORTEST {
            None
        } else {
            shelf().take(len)
        };
        let mut array = taken.unwrap_or_default();
        array.resize(len, 0.0);
        Self(array)
    }

    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        let mut buffer = Self::stale(len);
        buffer.fill(0.0);
        buffer
    }

    /// Changes the number of values; new ones are left open.
    pub fn resize(&mut self, len: usize) {
        if len > self.0.capacity() {
            *self = Self::stale(len);
        } else {
            self.0.resize(len, 0.0);
        }
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Self {
        Self(values)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::stale(self.0.len());
        copy.copy_from_slice(&self.0);
        copy
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() >= SHORTEST {
            shelf().put(std::mem::take(&mut self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_given_back_serves_the_next_of_about_its_size() {
        let mut shelf = Shelf {
            arrays: BTreeMap::new(),
            values: 0,
        };
        shelf.put(Vec::with_capacity(100));
        assert!(shelf.take(101).is_none());
        assert!(shelf.take(49).is_none());
        assert_eq!(shelf.take(50).map(|a| a.capacity()), Some(100));
        assert!(shelf.take(50).is_none());
        assert_eq!(shelf.values, 0);
    }

    #[test]
    fn zeroed_values_are_zero_whoever_used_them_before() {
        for _ in 0..3 {
            let mut buffer = Buffer::zeroed(SHORTEST);
            assert!(buffer.iter().all(|&v| v == 0.0));
            buffer.fill(f32::NAN);
        }
    }
}
