//! Limits of a fetch.

use std::time::Duration;

/// Timeouts, sizes and retries.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Timeout of name resolution, connection and TLS.
    pub connecting: Duration,
    /// Timeout until the answer begins, and between two pieces of it.
    pub stall: Duration,
    /// Least bytes in each such time. A server that sends fewer counts as stalled.
    pub least_bytes_per_stall: u64,
    /// Most bytes of a file.
    pub most_bytes: u64,
    /// Most redirects.
    pub redirects: usize,
    /// Attempts after the first without progress.
    pub retries: u32,
    /// Pause before the first retry; doubled for each further one.
    pub pause: Duration,
    /// The longest pause that a server may ask for.
    pub longest_pause: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connecting: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            least_bytes_per_stall: 4 << 10,
            // The largest published weights of the zoo are a tenth of this.
            most_bytes: 8 << 30,
            redirects: 8,
            retries: 3,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
        }
    }
}
