//! Memory that is used again.
//!
//! A forward pass allocates tens of large arrays and releases them soon after. Fresh memory from the
//! operating system costs a page fault every 4 KiB, a third of the time of a small network; so released
//! arrays are kept for the next request.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shorter arrays are cheap to allocate: 64 KiB.
const SHORTEST: usize = 1 << 14;

/// Values that are kept, at most: 64 MiB. The oldest are released first, so that arrays of an unused
/// batch size do not stay. Training keeps more, see [`for_training`].
const MOST: usize = 1 << 24;

/// An array of f32 whose memory is used again after it is dropped.
pub(crate) struct Buffer {
    /// At least `len` values; the rest is left from earlier use.
    array: Array,
    len: usize,
}

/// Where the values are stored.
enum Array {
    Vec(Vec<f32>),
    #[cfg(target_os = "linux")]
    Pages(crate::runtime::pages::Pages),
}

impl Array {
    /// `len` zeros.
    fn zeros(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(pages) = crate::runtime::pages::Pages::zeros(len) {
            return Self::Pages(pages);
        }
        Self::Vec(vec![0.0; len])
    }
}

impl Default for Array {
    fn default() -> Self {
        Self::Vec(Vec::new())
    }
}

impl Deref for Array {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Vec(values) => values,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => pages.values(),
        }
    }
}

impl DerefMut for Array {
    fn deref_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Vec(values) => values,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => pages.values_mut(),
        }
    }
}

/// Arrays that wait for use, the oldest first.
struct Shelf {
    arrays: Vec<Array>,
    /// Values of these.
    values: usize,
    /// Values of the arrays in use.
    used: usize,
    /// In training, the most that were in use at a time.
    peak: Option<usize>,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf::new());

/// Arrays that a training step releases in its backward pass are reused by the next step: between
/// consecutive steps, as many values are kept as one step uses at a time. The first pass for another
/// purpose ends this.
pub(crate) fn for_training(training: bool) {
    let mut shelf = shelf();
    if training != shelf.peak.is_some() {
        shelf.peak = training.then_some(shelf.used);
        shelf.make_room();
    }
}

impl Shelf {
    const fn new() -> Self {
        Self {
            arrays: Vec::new(),
            values: 0,
            used: 0,
            peak: None,
        }
    }

    /// An array of at least `len` values. Of those up to twice as long, the one used last, because it is
    /// probably still in cache; else the shortest. A pass has few arrays in use at a time, so a long one
    /// may serve a short request. A training step has many in use, and takes none that is too long.
    fn take(&mut self, len: usize) -> Option<Array> {
        let near = self
            .arrays
            .iter()
            .rposition(|array| array.len() >= len && array.len() <= 2 * len);
        let index = near.or_else(|| {
            if self.peak.is_some() {
                return None;
            }
            let long = self.arrays.iter().enumerate();
            let long = long.filter(|(_, array)| array.len() >= len);
            Some(long.min_by_key(|(_, array)| array.len())?.0)
        })?;
        let array = self.arrays.remove(index);
        self.values -= array.len();
        Some(array)
    }

    fn put(&mut self, array: Array) {
        self.values += array.len();
        self.arrays.push(array);
        self.make_room();
    }

    fn make_room(&mut self) {
        let peak = self.peak.unwrap_or(0);
        while self.values > MOST && self.values + self.used > peak {
            self.values -= self.arrays.remove(0).len();
        }
    }

    fn count(&mut self, values: usize) {
        self.used += values;
        self.peak = self.peak.map(|peak| peak.max(self.used));
    }
}

fn shelf() -> MutexGuard<'static, Shelf> {
    // No panic leaves the arrays in a bad state.
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Buffer {
    /// `len` values of unspecified content, to be overwritten.
    pub fn unspecified(len: usize) -> Self {
        if len < SHORTEST {
            return vec![0.0; len].into();
        }
        let taken = {
            let mut shelf = shelf();
            let taken = shelf.take(len);
            shelf.count(taken.as_ref().map_or(len, |array| array.len()));
            taken
        };
        let array = taken.unwrap_or_else(|| Array::zeros(len));
        Self { array, len }
    }

    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        let mut buffer = Self::unspecified(len);
        buffer.fill(0.0);
        buffer
    }

    /// Changes the number of values; their content is then unspecified.
    pub fn resize(&mut self, len: usize) {
        if len > self.array.len() {
            *self = Self::unspecified(len);
        }
        self.len = len;
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(array: Vec<f32>) -> Self {
        let len = array.len();
        if len >= SHORTEST {
            shelf().count(len);
        }
        Self {
            array: Array::Vec(array),
            len,
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.array[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.array[..self.len]
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::unspecified(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.array.len() >= SHORTEST {
            let mut shelf = shelf();
            shelf.used -= self.array.len();
            shelf.put(std::mem::take(&mut self.array));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf_of(lengths: &[usize]) -> Shelf {
        let mut shelf = Shelf::new();
        for &length in lengths {
            shelf.put(Array::zeros(length));
        }
        shelf
    }

    #[test]
    fn the_array_used_last_of_about_the_length_is_used_again() {
        let mut shelf = shelf_of(&[300, 200, 250]);
        assert_eq!(shelf.take(150).map(|a| a.len()), Some(250));
        assert_eq!(shelf.take(150).map(|a| a.len()), Some(200));
        assert_eq!(shelf.values, 300);
    }

    #[test]
    fn a_much_longer_array_is_used_if_there_is_no_other() {
        let mut shelf = shelf_of(&[400, 300, 500]);
        assert!(shelf.take(501).is_none());
        assert_eq!(shelf.take(100).map(|a| a.len()), Some(300));
        assert_eq!(shelf.take(100).map(|a| a.len()), Some(400));
    }

    #[test]
    fn the_oldest_array_is_released_first() {
        let shelf = shelf_of(&[MOST / 2, MOST / 4, MOST / 2]);
        let lengths: Vec<usize> = shelf.arrays.iter().map(|array| array.len()).collect();
        assert_eq!(lengths, [MOST / 4, MOST / 2]);
        assert_eq!(shelf.values, 3 * MOST / 4);
    }

    #[test]
    fn training_steps_reuse_all_their_memory() {
        let mut shelf = Shelf::new();
        shelf.peak = Some(0);
        shelf.count(MOST);
        shelf.count(MOST);
        for _ in 0..2 {
            shelf.used -= MOST;
            shelf.put(Array::zeros(MOST));
        }
        assert_eq!(shelf.values, 2 * MOST);
        assert!(shelf.take(MOST / 4).is_none());
        shelf.peak = None;
        shelf.make_room();
        assert_eq!(shelf.values, MOST);
    }

    #[test]
    fn zeroed_values_are_zero_after_any_use() {
        for _ in 0..3 {
            let mut buffer = Buffer::zeroed(SHORTEST);
            assert!(buffer.iter().all(|&v| v == 0.0));
            buffer.fill(f32::NAN);
        }
    }
}
