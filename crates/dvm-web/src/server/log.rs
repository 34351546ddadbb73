//! Logs: a line for each request, and what went wrong. Never a picture, a token or what a question holds.

use tracing_subscriber::filter::LevelFilter;

/// How requests are logged, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Log {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
    /// Not at all.
    None,
}

/// Logs from now on. In a process that logs already nothing changes.
pub fn start(log: Log) {
    let subscriber = || {
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(LevelFilter::INFO)
            .with_target(false)
    };
    // Another subscriber is another's wish.
    let _ = match log {
        Log::None => return,
        Log::Text => subscriber().with_ansi(false).try_init(),
        Log::Json => subscriber()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
    };
}
