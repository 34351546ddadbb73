//! Work that other threads do ahead of need, within bounds; results are taken in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Results of `count` pieces of work, made ahead by any number of threads and taken in order.
pub struct Ahead<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    count: usize,
    /// At most so many pieces are begun before they are needed.
    depth: usize,
    /// No piece is begun while results of more bytes wait, unless it is the next one.
    bytes: usize,
}

struct State<T> {
    begun: usize,
    taken: usize,
    ready: BTreeMap<usize, (usize, T)>,
    bytes: usize,
    is_stopped: bool,
}

impl<T> Ahead<T> {
    /// Nothing begun yet.
    pub fn new(count: usize, depth: usize, bytes: usize) -> Self {
        Self {
            state: Mutex::new(State {
                begun: 0,
                taken: 0,
                ready: BTreeMap::new(),
                bytes: 0,
                is_stopped: false,
            }),
            changed: Condvar::new(),
            count,
            depth,
            bytes,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        let waited = self.changed.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one piece after the other, until there is none or all is stopped; `work` gives a result and the bytes
    /// that it takes.
    pub fn work(&self, work: impl Fn(usize) -> (usize, T)) {
        // If `work` panics, those who wait must not wait for ever.
        let stop = StopAtEnd(self);
        while let Some(index) = self.begin() {
            let (bytes, result) = work(index);
            let mut state = self.state();
            state.bytes += bytes;
            state.ready.insert(index, (bytes, result));
            drop(state);
            self.changed.notify_all();
        }
        std::mem::forget(stop);
    }

    fn begin(&self) -> Option<usize> {
        let mut state = self.state();
        loop {
            let index = state.begun;
            if state.is_stopped || index >= self.count {
                return None;
            }
            let is_next = index == state.taken;
            if is_next || index < state.taken + self.depth && state.bytes <= self.bytes {
                state.begun += 1;
                return Some(index);
            }
            state = self.wait(state);
        }
    }

    /// The next result, in order; none after the last, or if all is stopped.
    pub fn take(&self) -> Option<T> {
        let mut state = self.state();
        loop {
            let index = state.taken;
            if state.is_stopped || index >= self.count {
                return None;
            }
            if let Some((bytes, result)) = state.ready.remove(&index) {
                state.taken += 1;
                state.bytes -= bytes;
                drop(state);
                self.changed.notify_all();
                return Some(result);
            }
            state = self.wait(state);
        }
    }

    /// Stops all when it is dropped: threads that work end after the piece that they are at.
    pub fn stopping(&self) -> StopAtEnd<'_, T> {
        StopAtEnd(self)
    }
}

/// See [`Ahead::stopping`].
pub struct StopAtEnd<'a, T>(&'a Ahead<T>);

impl<T> Drop for StopAtEnd<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_stopped = true;
        state.ready.clear();
        drop(state);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_however_long_each_takes() {
        let ahead = Ahead::new(40, 4, 100);
        let work = |index: usize| {
            thread::sleep(Duration::from_millis(if index.is_multiple_of(3) {
                3
            } else {
                0
            }));
            (1, index)
        };
        let taken = thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| ahead.work(work));
            }
            std::iter::from_fn(|| ahead.take()).collect::<Vec<_>>()
        });
        assert_eq!(taken, (0..40).collect::<Vec<_>>());
    }

    /// The most results that waited at once, if each takes so many bytes.
    fn most_waiting(bytes: usize) -> usize {
        let ahead = Ahead::new(30, 5, 10);
        let (made, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let most = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                ahead.work(|index| {
                    let made = made.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(made - taken.load(Ordering::SeqCst), Ordering::SeqCst);
                    (bytes, index)
                });
            });
            loop {
                thread::sleep(Duration::from_millis(1));
                if ahead.take().is_none() {
                    break;
                }
                taken.fetch_add(1, Ordering::SeqCst);
            }
        });
        most.into_inner()
    }

    #[test]
    fn no_more_is_made_than_is_allowed_to_wait() {
        // One is counted as waiting from when it is taken until it is counted as taken.
        assert!(most_waiting(0) <= 6);
        assert!(most_waiting(11) <= 2);
    }

    #[test]
    fn whoever_works_ends_when_all_is_stopped() {
        let ahead = Ahead::new(usize::MAX, 2, 10);
        thread::scope(|scope| {
            scope.spawn(|| ahead.work(|index| (1, index)));
            let _stop = ahead.stopping();
            assert_eq!(ahead.take(), Some(0));
        });
    }

    #[test]
    fn a_panic_of_a_worker_ends_the_waiting() {
        let ahead: Ahead<()> = Ahead::new(2, 2, 10);
        thread::scope(|scope| {
            let worker = scope.spawn(|| ahead.work(|_| panic!("as the test wants it")));
            assert_eq!(ahead.take(), None);
            assert!(worker.join().is_err());
        });
    }
}
