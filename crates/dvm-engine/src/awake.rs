//! Keeping the cores awake while a network is walked.
//!
//! A walk is a hundred short parallel loops. A thread of the pool that finds nothing to do between
//! two of them falls asleep within microseconds, and waking it takes longer than a small layer; so
//! as long as a walk lasts, the other threads keep looking for work.

use std::sync::atomic::{AtomicBool, Ordering};

/// Runs `walk` inside the pool, with all its threads awake.
pub(crate) fn awake<R: Send>(walk: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        // Part of other work, which keeps the threads busy.
        return walk();
    }
    let done = AtomicBool::new(false);
    rayon::scope(|scope| {
        let own = rayon::current_thread_index();
        let done = &done;
        scope.spawn_broadcast(move |_, thread| {
            if Some(thread.index()) == own {
                return;
            }
            while !done.load(Ordering::Acquire) {
                if rayon::yield_now() != Some(rayon::Yield::Executed) {
                    std::hint::spin_loop();
                }
            }
        });
        // Even if the walk panics, the others must not look for work forever.
        struct Finish<'a>(&'a AtomicBool);
        impl Drop for Finish<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let _finish = Finish(done);
        walk()
    })
}
