//! How many pictures are computed at once.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use dvm_engine::device::Device;

use crate::{Error, Subject};

/// Larger batches are not faster on the CPU: the caches are already full.
pub(super) const LARGEST_BATCH: usize = 8;

/// The same for backward passes, which keep the activations of all layers.
const LARGEST_BATCH_BACK: usize = 2;

/// The same for the last layers of a network.
const LARGEST_BATCH_OF_END: usize = 4 * LARGEST_BATCH;

impl Subject<'_> {
    /// The largest batch of forward passes.
    pub(super) fn largest_batch(&self) -> usize {
        self.device().map_or(LARGEST_BATCH, Device::largest_batch)
    }

    /// The largest batch of backward passes.
    pub(super) fn largest_batch_back(&self) -> usize {
        let on_device = |device: &dyn Device| (device.largest_batch() / 4).max(2);
        self.device().map_or(LARGEST_BATCH_BACK, on_device)
    }

    /// The largest batch of forward passes through the last layers only.
    pub(super) fn largest_batch_of_end(&self) -> usize {
        self.device()
            .map_or(LARGEST_BATCH_OF_END, Device::largest_batch)
    }
}

/// The size of the batches of a probe. It becomes smaller if a device does not have enough memory for one.
pub(super) struct BatchSize(AtomicUsize);

impl BatchSize {
    /// Batches of at most this many cases.
    pub fn new(size: usize) -> Self {
        Self(AtomicUsize::new(size.max(1)))
    }

    /// The largest number of cases in a batch.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Calls `walk` with `count` cases in batches, in order, and `each` with the result of every batch. If a device does
    /// not have enough memory for a batch, this one and the following ones have half its size.
    ///
    /// # Errors
    /// Those of `walk` and of `each`. [`dvm_engine::Error::DeviceMemory`] only if a single case needs too much.
    pub fn walk<R>(
        &self,
        count: usize,
        mut walk: impl FnMut(Range<usize>) -> Result<R, Error>,
        mut each: impl FnMut(Range<usize>, R) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut first = 0;
        while first < count {
            let cases = first..count.min(first + self.get());
            match walk(cases.clone()) {
                Err(Error::Network(dvm_engine::Error::DeviceMemory { .. })) if cases.len() > 1 => {
                    self.0.fetch_min(cases.len() / 2, Ordering::Relaxed);
                }
                found => {
                    first = cases.end;
                    each(cases, found?)?;
                }
            }
        }
        Ok(())
    }
}
