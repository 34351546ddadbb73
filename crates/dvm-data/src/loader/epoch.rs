//! The threads behind an epoch, and the queue between them and whoever wants its batches.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::{Batch, Source};
use crate::Error;
use crate::augment::Seen;

/// Batches that are finished or being made at a time: one more than a training step can want at
/// once, and two for steps that are faster than others.
const AHEAD: usize = 3;

/// The batches of an epoch, in order. Ends after an error.
///
/// Threads of its own work ahead of it, on at most three batches; dropping it stops them and waits
/// until each is done with the picture at hand.
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
                    .expect("the system gives a thread")
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
            // A panic was handed on by `next`, or nobody waits for what it prevented.
            let _ = worker.join();
        }
    }
}

/// Where work is handed out and collected.
#[derive(Debug)]
struct Desk {
    order: Vec<usize>,
    epoch: u64,
    /// Where the batches that are to be made lie in `order`.
    bounds: Vec<Range<usize>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Batches that were taken away.
    taken: usize,
    /// The batches after those, finished or begun.
    begun: VecDeque<Begun>,
    stopped: bool,
    panicked: bool,
}

/// A batch in the making.
#[derive(Debug)]
struct Begun {
    /// Pictures that were handed out.
    handed_out: usize,
    /// Pictures that are not yet there.
    missing: usize,
    pictures: Vec<Option<Result<Seen, Error>>>,
    batch: Option<Result<Batch, Error>>,
}

impl Desk {
    /// What a worker does until there is nothing left to do.
    fn work(&self, source: &Source) {
        let _alarm = Alarm(self);
        while let Some((number, slot)) = self.hand_out() {
            let positions = &self.order[self.bounds[number].clone()];
            let seen = source.seen(positions[slot], self.epoch);
            if let Some(pictures) = self.collect(number, slot, seen) {
                // The last picture of a batch: who brought it makes the batch.
                let batch = source.batch(positions, pictures);
                let mut state = self.state();
                let at = number - state.taken;
                state.begun[at].batch = Some(batch);
                self.changed.notify_all();
            }
        }
    }

    /// The next picture to be decoded: which batch, and which of its pictures. Waits while enough
    /// batches are begun.
    fn hand_out(&self) -> Option<(usize, usize)> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            let taken = state.taken;
            let wanted = |begun: &Begun| begun.handed_out < begun.pictures.len();
            if let Some(at) = state.begun.iter().position(wanted) {
                let slot = state.begun[at].handed_out;
                state.begun[at].handed_out += 1;
                return Some((taken + at, slot));
            }
            let number = taken + state.begun.len();
            if number == self.bounds.len() {
                return None;
            }
            if state.begun.len() < AHEAD {
                let count = self.bounds[number].len();
                state.begun.push_back(Begun {
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

    /// Takes in a picture; gives all of its batch if it was the last.
    fn collect(
        &self,
        number: usize,
        slot: usize,
        seen: Result<Seen, Error>,
    ) -> Option<Vec<Result<Seen, Error>>> {
        let mut state = self.state();
        let at = number - state.taken;
        let begun = &mut state.begun[at];
        begun.pictures[slot] = Some(seen);
        begun.missing -= 1;
        (begun.missing == 0).then(|| begun.pictures.drain(..).flatten().collect())
    }

    /// The next batch, as soon as it is there.
    fn take(&self) -> Option<Result<Batch, Error>> {
        let mut state = self.state();
        loop {
            if state.stopped || state.taken == self.bounds.len() {
                return None;
            }
            if let Some(batch) = state.begun.front_mut().and_then(|begun| begun.batch.take()) {
                state.begun.pop_front();
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
        // Nothing that can panic is done while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whoever waits for a worker that it panicked.
struct Alarm<'a>(&'a Desk);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state().panicked = true;
            self.0.stop();
        }
    }
}
