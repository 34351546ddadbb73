//! What a fetch may take.

use std::time::Duration;

/// How long is waited, how much is taken, how often it is tried.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// For a connection, with the host's name and TLS.
    pub connecting: Duration,
    /// For an answer to begin, and then for anything more to come.
    pub stall: Duration,
    /// Bytes that must come in each such time: a server that sends them one by one stalls as well.
    pub least_bytes_per_stall: u64,
    /// Bytes of a file.
    pub most_bytes: u64,
    /// Redirects from one address to the next.
    pub redirects: usize,
    /// Attempts after the first that bring nothing new.
    pub retries: u32,
    /// Before the first of them; twice as long before each that follows.
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
