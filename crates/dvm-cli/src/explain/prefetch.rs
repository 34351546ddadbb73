//! Work done in advance by other threads, within limits; results are taken in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Results of `count` jobs, made in advance by any number of threads and taken in order.
pub struct Prefetch<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    count: usize,
    /// Most jobs that are started in advance.
    depth: usize,
    /// Most bytes of waiting results; the next job is started even if they take more.
    bytes: usize,
}

struct State<T> {
    begun: usize,
    taken: usize,
    ready: BTreeMap<usize, (usize, T)>,
    bytes: usize,
    is_stopped: bool,
}

impl<T> Prefetch<T> {
    /// With no job started.
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

    /// Does one job after the other until none is left or the work is stopped. `work` returns the bytes of a result
    /// and the result.
    pub fn work(&self, work: impl Fn(usize) -> (usize, T)) {
        // If `work` panics, the threads that wait must end.
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

    /// The next result, in order; none after the last one, or if the work is stopped.
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

    /// A guard that stops the work when it is dropped: threads end after their current job.
    pub fn stopping(&self) -> StopAtEnd<'_, T> {
        StopAtEnd(self)
    }
}

/// See [`Prefetch::stopping`].
pub struct StopAtEnd<'a, T>(&'a Prefetch<T>);

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
    fn results_come_in_order() {
        let prefetch = Prefetch::new(40, 4, 100);
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
                scope.spawn(|| prefetch.work(work));
            }
            std::iter::from_fn(|| prefetch.take()).collect::<Vec<_>>()
        });
        assert_eq!(taken, (0..40).collect::<Vec<_>>());
    }

    /// Most results that waited at once, if each takes `bytes`.
    fn most_waiting(bytes: usize) -> usize {
        let prefetch = Prefetch::new(30, 5, 10);
        let (made, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let most = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                prefetch.work(|index| {
                    let made = made.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(made - taken.load(Ordering::SeqCst), Ordering::SeqCst);
                    (bytes, index)
                });
            });
            loop {
                thread::sleep(Duration::from_millis(1));
                if prefetch.take().is_none() {
                    break;
                }
                taken.fetch_add(1, Ordering::SeqCst);
            }
        });
        most.into_inner()
    }

    #[test]
    fn waiting_results_are_limited() {
        // One more: a result counts as waiting until `taken` is increased.
        assert!(most_waiting(0) <= 6);
        assert!(most_waiting(11) <= 2);
    }

    #[test]
    fn threads_end_when_the_work_is_stopped() {
        let prefetch = Prefetch::new(usize::MAX, 2, 10);
        thread::scope(|scope| {
            scope.spawn(|| prefetch.work(|index| (1, index)));
            let _stop = prefetch.stopping();
            assert_eq!(prefetch.take(), Some(0));
        });
    }

    #[test]
    fn a_panic_of_a_thread_ends_the_waiting() {
        let prefetch: Prefetch<()> = Prefetch::new(2, 2, 10);
        thread::scope(|scope| {
            let worker = scope.spawn(|| prefetch.work(|_| panic!("for the test")));
            assert_eq!(prefetch.take(), None);
            assert!(worker.join().is_err());
        });
    }
}
