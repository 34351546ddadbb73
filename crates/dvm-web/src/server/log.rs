//! Logs: a line for each request, and errors. Never pictures, tokens or bodies.

use tracing_subscriber::filter::LevelFilter;

/// How requests are logged, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Log {
    /// Lines of text.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
    /// No logs.
    None,
}

/// Starts logging. If the process already logs, nothing changes.
pub fn start(log: Log) {
    let subscriber = || {
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(LevelFilter::INFO)
            .with_target(false)
    };
    // Keeps a subscriber that is already set.
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
