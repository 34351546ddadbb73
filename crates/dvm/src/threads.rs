//! The number of threads.

/// The maximum number of threads per processor. Idle threads search for work while a network runs, so more
/// threads than processors slow each other down.
const THREADS_PER_PROCESSOR: usize = 2;

/// Up to this number of threads is allowed on every machine.
const ALWAYS_ALLOWED: usize = 4;

/// Starts the threads for computing and returns their number: `wanted`, but at most two for each processor that
/// the process can use. Call it once, before anything is computed; without it there is one thread for each
/// processor. Results do not depend on the number of threads.
///
/// # Errors
/// If the threads cannot be started, usually because they already run.
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
    fn the_number_of_threads_is_limited_by_the_processors() {
        assert_eq!([1, 2, 16].map(most), [4, 4, 32]);
    }
}
