//! Limits of one request and of all requests.

use std::time::Duration;

/// Limits of one request and of all requests.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Size of a request's body, in bytes.
    pub body: usize,
    /// Size of the bodies of all requests at once, in bytes.
    pub bodies: usize,
    /// Pixels of a picture file.
    pub pixels: u64,
    /// Time of the engine for one request.
    pub seconds: Duration,
    /// Time that a request may wait for its turn.
    pub wait: Duration,
    /// Memory for activations, in bytes ([`dvm::Explain::memory`]).
    pub memory: usize,
    /// Waiting requests of a lane.
    pub queue: usize,
    /// Pictures in one request.
    pub batch: usize,
    /// Connections at once.
    pub connections: usize,
    /// Time for sending the head of a request, and time that a connection may be idle.
    pub head: Duration,
    /// Time for sending a body, plus one second for each [`Limits::RATE`] bytes; also the time that an answer may
    /// remain unread.
    pub patience: Duration,
}

impl Limits {
    /// The minimum rate of a client, in bytes per second.
    pub const RATE: usize = 16 << 10;
}

impl Default for Limits {
    /// 32 MiB per body, 64 megapixels, one minute of work with 1 GiB, 16 waiting requests.
    fn default() -> Self {
        Self {
            body: 32 << 20,
            bodies: 128 << 20,
            pixels: 64_000_000,
            seconds: Duration::from_secs(60),
            wait: Duration::from_secs(120),
            memory: 1 << 30,
            queue: 16,
            batch: 32,
            connections: 512,
            head: Duration::from_secs(15),
            patience: Duration::from_secs(15),
        }
    }
}
