//! What a request, and all requests together, may take.

use std::time::Duration;

/// What a request, and all requests together, may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most bytes of a request's body.
    pub body: usize,
    /// Most bytes of the bodies of all requests at once.
    pub bodies: usize,
    /// Most pixels of a picture file.
    pub pixels: u64,
    /// How long the engine may work for one request.
    pub seconds: Duration,
    /// How long a request may wait for its turn.
    pub wait: Duration,
    /// Bytes that activations may take at once ([`dvm::Explain::memory`]).
    pub memory: usize,
    /// Most requests of a lane that wait for their turn.
    pub queue: usize,
    /// Most pictures in one request.
    pub batch: usize,
    /// Most connections at once.
    pub connections: usize,
    /// How long a client may take to send the head of a request, and how long a connection may be idle.
    pub head: Duration,
    /// How long a client may take to send a body, besides a second for each [`Limits::RATE`] bytes of it; and how
    /// long it may leave an answer unread.
    pub patience: Duration,
}

impl Limits {
    /// Bytes that the slowest client sends in a second.
    pub const RATE: usize = 16 << 10;
}

impl Default for Limits {
    /// 32 MiB of body, 64 megapixels, a minute of work within 1 GiB, 16 waiting requests.
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
