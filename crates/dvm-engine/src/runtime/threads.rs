//! Keeping the cores awake while a network is walked, and no longer than they are of use.
//!
//! A walk is a hundred short parallel loops. A thread of the pool that finds nothing to do between
//! two of them falls asleep within microseconds, and waking it takes longer than a small layer. So at
//! every node a walk asks the other threads to look for work, and they go on looking through short
//! gaps. Where there is none for a while they fall asleep all the same, and all the while that they look
//! they let other programs go first: a core that only waits is never kept from work.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a thread looks for work in vain before it falls asleep: longer than the gap between two
/// layers, or than a small layer that is not split.
const PATIENCE: Duration = Duration::from_micros(100);

/// How long it looks without asking the system whether others want its core.
const AT_ONCE: Duration = Duration::from_micros(5);

/// How long a thread answers to one request, whatever it finds. It may have come to it while it waited for
/// its part of another walk, which it must get back to.
const LONGEST: Duration = Duration::from_millis(5);

/// How many threads of the pool were asked to look for work since one of them last gave up: of whichever
/// walk, for all of them do whatever work there is.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// A walk under way.
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

/// Runs `walk` inside the pool. At its nodes it calls [`wake_threads`].
pub(crate) fn in_thread_pool<R: Send>(walk: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        // Part of other work, which keeps the threads busy.
        return walk();
    }
    rayon::scope(|_| {
        /// Even if the walk panics, its end is known to all who look for its work.
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

/// Asks the threads that sleep to look for work of the walk that this thread leads, if it leads one.
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
            // The next node asks again.
            ASKED.store(0, Ordering::Release);
        });
    });
}

impl Walking {
    /// Works at whatever there is, until the walk is over or there has been nothing for a while.
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

    /// A walk of a few short parallel loops within each other, and its result.
    fn walk(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        wake_threads();
        let (a, b) = rayon::join(|| walk(depth - 1), || walk(depth - 1));
        a + b
    }

    #[test]
    fn walks_end_however_many_begin_at_once() {
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
    fn a_walk_that_has_nothing_to_share_leaves_the_other_threads_asleep() {
        let walking = Walking::default();
        let begin = Instant::now();
        walking.look_for_work();
        // It looks for a tenth of a millisecond; a busy machine may take it off its core meanwhile.
        assert!(begin.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_walk_that_panics_leads_no_longer() {
        let walk =
            || in_thread_pool(|| assert!(rayon::current_thread_index().is_none(), "as it must"));
        assert!(std::panic::catch_unwind(walk).is_err());
        let leads = |_: rayon::BroadcastContext| LED.with_borrow(Option::is_some);
        assert!(rayon::broadcast(leads).iter().all(|leads| !leads));
    }
}
