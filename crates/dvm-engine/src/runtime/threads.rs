//! Keeps the threads of the pool awake during a pass.
//!
//! A pass is about a hundred short parallel loops. An idle thread of the pool falls asleep within
//! microseconds, and waking it takes longer than a small layer. So at every node a pass requests that the
//! other threads look for work, and they continue through short gaps. Without work they fall asleep after
//! a while, and while they look they yield their core to other programs.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a thread looks for work before it falls asleep: longer than the gap between two layers, or
/// than a small layer that is not split.
const PATIENCE: Duration = Duration::from_micros(100);

/// How long it looks before it begins to yield its core to other programs.
const AT_ONCE: Duration = Duration::from_micros(5);

/// How long a thread follows one request, even if it finds work. It may have come to it while it waited
/// for its part of another walk, which it must return to.
const LONGEST: Duration = Duration::from_millis(5);

/// Number of threads of the pool that were asked to look for work since one of them last gave up. One
/// number for all walks, because a thread takes work of any walk.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// A walk in progress.
#[derive(Default)]
struct Walking {
    done: AtomicBool,
}

thread_local! {
    /// The walk that this thread of the pool leads.
    static LED: RefCell<Option<Arc<Walking>>> = const { RefCell::new(None) };

    /// Whether this thread looks for work already.
    static LOOKS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `walk` inside the pool. It calls [`wake_threads`] at each node.
pub(crate) fn in_thread_pool<R: Send>(walk: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        // Part of other work, which keeps the threads busy.
        return walk();
    }
    rayon::scope(|_| {
        /// Marks the end of the walk, even if it panics.
        struct Led(Option<Arc<Walking>>);
        impl Drop for Led {
            fn drop(&mut self) {
                LED.with_borrow_mut(|led| {
                    if let Some(walking) = led.take() {
                        walking.done.store(true, Ordering::Release);
                    }
                    // A thread that waits for its own walk may lead another one meanwhile.
                    *led = self.0.take();
                });
            }
        }
        let before = LED.with_borrow_mut(|led| led.replace(Arc::default()));
        let _led = Led(before);
        wake_threads();
        walk()
    })
}

/// Asks sleeping threads to look for work of the walk that this thread leads, if it leads one.
pub(crate) fn wake_threads() {
    LED.with_borrow(|led| {
        let Some(walking) = led else { return };
        let others = rayon::current_num_threads() - 1;
        if ASKED.load(Ordering::Acquire) >= others {
            return;
        }
        let leader = rayon::current_thread_index();
        ASKED.store(others, Ordering::Release);
        let walking = Arc::clone(walking);
        rayon::spawn_broadcast(move |thread| {
            if Some(thread.index()) == leader || LOOKS.replace(true) {
                return;
            }
            walking.look_for_work();
            LOOKS.set(false);
            // The next node makes a new request.
            ASKED.store(0, Ordering::Release);
        });
    });
}

impl Walking {
    /// Works until the walk is over or there was no work for a while.
    fn look_for_work(&self) {
        let begin = Instant::now();
        let mut idle_since = begin;
        while !self.done.load(Ordering::Acquire) {
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                idle_since = Instant::now();
                if idle_since - begin > LONGEST {
                    break;
                }
                continue;
            }
            let idle = idle_since.elapsed();
            if idle > PATIENCE {
                break;
            }
            if idle > AT_ONCE {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk of short nested parallel loops, and its result.
    fn walk(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        wake_threads();
        let (a, b) = rayon::join(|| walk(depth - 1), || walk(depth - 1));
        a + b
    }

    #[test]
    fn parallel_walks_end() {
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        assert_eq!(in_thread_pool(|| walk(6)), 64);
                    }
                });
            }
        });
    }

    #[test]
    fn threads_without_work_fall_asleep() {
        let walking = Walking::default();
        let begin = Instant::now();
        walking.look_for_work();
        // It looks for 0.1 ms; a busy machine may interrupt it.
        assert!(begin.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_walk_that_panics_ends() {
        let walk =
            || in_thread_pool(|| assert!(rayon::current_thread_index().is_none(), "as it must"));
        assert!(std::panic::catch_unwind(walk).is_err());
        let leads = |_: rayon::BroadcastContext| LED.with_borrow(Option::is_some);
        assert!(rayon::broadcast(leads).iter().all(|leads| !leads));
    }
}
