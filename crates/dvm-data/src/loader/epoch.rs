//! The threads of an epoch, and the queue of its batches.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::{Batch, Source};
use crate::Error;
use crate::augment::AugmentedCrop;

/// Most batches that are finished or in progress: one for the next training step, and two in reserve.
const AHEAD: usize = 3;

/// The batches of an epoch, in order. Ends after an error.
///
/// Separate threads work ahead on at most three batches. Dropping it stops them and waits until each has
/// finished its picture.
#[derive(Debug)]
pub struct Epoch {
    desk: Arc<Desk>,
    workers: Vec<JoinHandle<()>>,
}

impl Epoch {
    pub(super) fn start(source: &Arc<Source>, epoch: u64, first_batch: usize) -> Self {
        let mut bounds = source.bounds();
        bounds.drain(..first_batch.min(bounds.len()));
        let pictures: usize = bounds.iter().map(Range::len).sum();
        let desk = Arc::new(Desk {
            order: source.order(epoch),
            epoch,
            bounds,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let workers = (0..source.loading.workers.clamp(1, pictures.max(1)))
            .map(|number| {
                let (desk, source) = (desk.clone(), source.clone());
                thread::Builder::new()
                    .name(format!("loader {number}"))
                    .spawn(move || desk.work(&source))
                    .expect("a thread can be started")
            })
            .collect();
        Self { desk, workers }
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.desk.take();
        if self.desk.state().panicked {
            for worker in self.workers.drain(..) {
                if let Err(payload) = worker.join() {
                    panic::resume_unwind(payload);
                }
            }
        }
        batch
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        self.desk.stop();
        for worker in self.workers.drain(..) {
            // `next` has passed a panic on, or its batch is not wanted any more.
            let _ = worker.join();
        }
    }
}

/// The queue of work and results.
#[derive(Debug)]
struct Desk {
    order: Vec<usize>,
    epoch: u64,
    /// The ranges of the remaining batches in `order`.
    bounds: Vec<Range<usize>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Number of batches taken from the queue.
    taken: usize,
    /// The following batches, finished or in progress.
    unfinished: VecDeque<UnfinishedBatch>,
    stopped: bool,
    panicked: bool,
}

/// A batch in progress.
#[derive(Debug)]
struct UnfinishedBatch {
    /// Number of pictures assigned to workers.
    handed_out: usize,
    /// Number of missing pictures.
    missing: usize,
    pictures: Vec<Option<Result<AugmentedCrop, Error>>>,
    batch: Option<Result<Batch, Error>>,
}

impl Desk {
    /// Runs a worker until no work is left.
    fn work(&self, source: &Source) {
        let _alarm = PanicGuard(self);
        while let Some((number, slot)) = self.hand_out() {
            let positions = &self.order[self.bounds[number].clone()];
            let crop = source.augmented(positions[slot], self.epoch);
            if let Some(pictures) = self.collect(number, slot, crop) {
                // The worker with the last picture of a batch makes the batch.
                let batch = source.batch(positions, pictures);
                let mut state = self.state();
                let at = number - state.taken;
                state.unfinished[at].batch = Some(batch);
                self.changed.notify_all();
            }
        }
    }

    /// The next picture to decode: its batch and its index there. Waits while enough batches are in progress.
    fn hand_out(&self) -> Option<(usize, usize)> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            let taken = state.taken;
            let wanted =
                |unfinished: &UnfinishedBatch| unfinished.handed_out < unfinished.pictures.len();
            if let Some(at) = state.unfinished.iter().position(wanted) {
                let slot = state.unfinished[at].handed_out;
                state.unfinished[at].handed_out += 1;
                return Some((taken + at, slot));
            }
            let number = taken + state.unfinished.len();
            if number == self.bounds.len() {
                return None;
            }
            if state.unfinished.len() < AHEAD {
                let count = self.bounds[number].len();
                state.unfinished.push_back(UnfinishedBatch {
                    handed_out: 0,
                    missing: count,
                    pictures: (0..count).map(|_| None).collect(),
                    batch: None,
                });
            } else {
                state = self.wait(state);
            }
        }
    }

    /// Stores a picture; returns all of its batch if it was the last.
    fn collect(
        &self,
        number: usize,
        slot: usize,
        crop: Result<AugmentedCrop, Error>,
    ) -> Option<Vec<Result<AugmentedCrop, Error>>> {
        let mut state = self.state();
        let at = number - state.taken;
        let unfinished = &mut state.unfinished[at];
        unfinished.pictures[slot] = Some(crop);
        unfinished.missing -= 1;
        (unfinished.missing == 0).then(|| unfinished.pictures.drain(..).flatten().collect())
    }

    /// The next batch; waits for it.
    fn take(&self) -> Option<Result<Batch, Error>> {
        let mut state = self.state();
        loop {
            if state.stopped || state.taken == self.bounds.len() {
                return None;
            }
            if let Some(batch) = state
                .unfinished
                .front_mut()
                .and_then(|unfinished| unfinished.batch.take())
            {
                state.unfinished.pop_front();
                state.taken += 1;
                state.stopped = batch.is_err();
                self.changed.notify_all();
                return Some(batch);
            }
            state = self.wait(state);
        }
    }

    fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports the panic of a worker to the thread that waits for its batch.
struct PanicGuard<'a>(&'a Desk);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state().panicked = true;
            self.0.stop();
        }
    }
}
