//! How many threads compute.

/// Threads that may share a processor. All look for work while a network runs, so each beyond the
/// first takes time from the others.
const THREADS_PER_PROCESSOR: usize = 2;

/// Fewer are always started, on however small a machine.
const ALWAYS_ALLOWED: usize = 4;

/// Starts the threads that compute, in the whole process, and gives their number: as many as are wanted, but at
/// most two for each processor that the process may use. Results do not depend on it. To be called once, before
/// anything is computed; otherwise there is a thread for each processor.
///
/// # Errors
/// Why they cannot be started: mostly because threads compute already.
pub fn start_threads(wanted: usize) -> Result<usize, String> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = wanted.min(most(processors));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_global()
        .map_err(|error| format!("cannot start {threads} threads: {error}"))?;
    Ok(threads)
}

fn most(processors: usize) -> usize {
    (THREADS_PER_PROCESSOR * processors).max(ALWAYS_ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_bounded_by_the_processors() {
        assert_eq!([1, 2, 16].map(most), [4, 4, 32]);
    }
}
