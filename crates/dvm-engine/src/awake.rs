//! Keeping the cores awake while a network is walked.
//!
//! A walk is a hundred short parallel loops. A thread of the pool that finds nothing to do between
//! two of them falls asleep within microseconds, and waking it takes longer than a small layer; so
//! as long as a walk lasts, the other threads keep looking for work.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a walk waits for the other threads before it begins: they wake up in less, or are busy.
const PATIENCE: Duration = Duration::from_micros(200);

/// Runs `walk` inside the pool, with all its threads awake.
///
/// A thread that keeps awake does so until the walk is over, so it must not have begun to while it
/// waits for a part of that walk: it would never go on, and neither would the walk. Hence a thread
/// keeps awake only if it came to it before the walk began. (A thread may come to it while it waits
/// for a part of another walk, which is then held up; but only by walks that began after it, so that
/// no two hold each other up.)
pub(crate) fn awake<R: Send>(walk: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        // Part of other work, which keeps the threads busy.
        return walk();
    }
    let (begun, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let awake = AtomicUsize::new(1);
    rayon::scope(|scope| {
        let own = rayon::current_thread_index();
        let (begun, done, awake) = (&begun, &done, &awake);
        scope.spawn_broadcast(move |_, thread| {
            if Some(thread.index()) == own || begun.load(Ordering::Acquire) {
                return;
            }
            awake.fetch_add(1, Ordering::AcqRel);
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
        let start = Instant::now();
        while awake.load(Ordering::Acquire) < rayon::current_num_threads()
            && start.elapsed() < PATIENCE
        {
            std::hint::spin_loop();
        }
        begun.store(true, Ordering::Release);
        walk()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk of a few short parallel loops within each other, and its result.
    fn walk(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let (a, b) = rayon::join(|| walk(depth - 1), || walk(depth - 1));
        a + b
    }

    #[test]
    fn walks_end_however_many_begin_at_once() {
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        assert_eq!(awake(|| walk(6)), 64);
                    }
                });
            }
        });
    }
}
