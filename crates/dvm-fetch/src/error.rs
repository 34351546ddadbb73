//! Errors of this crate.

use std::io;
use std::path::PathBuf;

/// Why a file was not fetched, or cannot be used. The message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The file is not in the cache, and fetching is switched off.
    #[error(
        "not in the cache, and dvm is offline: download {url} on another machine and save it as {}",
        path.display()
    )]
    Offline {
        /// Where it is published.
        url: String,
        /// Where dvm looks for it.
        path: PathBuf,
    },
    /// The URL cannot be fetched from.
    #[error("{url} {why}")]
    Address {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no connection, or it is not trusted.
    #[error("cannot reach {url}: {why}")]
    Unreachable {
        /// The URL.
        url: String,
        /// The reason, from the system, TLS or the proxy.
        why: String,
    },
    /// The server does not send the file.
    #[error("{url}: the server answers {status}{hint}")]
    Status {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it probably means.
        hint: &'static str,
    },
    /// The server redirects to a URL that is not allowed.
    #[error("{url} redirects to {to}, which {why}; dvm does not follow it")]
    Redirect {
        /// The URL that redirects.
        url: String,
        /// The URL that it redirects to.
        to: String,
        /// Why it is not followed.
        why: String,
    },
    /// The server redirects too often.
    #[error("{url} redirects more than {most} times")]
    Redirects {
        /// The URL of the first request.
        url: String,
        /// The limit.
        most: usize,
    },
    /// The server sends a web page instead of the file.
    #[error(
        "{url} sends a web page instead of a file: it may be a login page, or the error page of a proxy or \
         a mirror"
    )]
    WebPage {
        /// The URL.
        url: String,
    },
    /// The server's answer is invalid.
    #[error("{url}: {why}")]
    InvalidResponse {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file is too large.
    #[error("{url}: the file has more than {most} bytes, the limit")]
    TooLarge {
        /// The URL.
        url: String,
        /// The limit.
        most: u64,
    },
    /// The server sends nothing, or almost nothing.
    #[error("{url} stopped sending for {seconds} s; fetch it again to resume")]
    Stalled {
        /// The URL.
        url: String,
        /// How long dvm waited.
        seconds: f64,
    },
    /// The connection ended before the file was complete.
    #[error("{url}: the connection ended after {received}{of} bytes; fetch it again to resume")]
    Cut {
        /// The URL.
        url: String,
        /// Bytes received so far.
        received: u64,
        /// The length, if it is known: ` of 7`.
        of: String,
    },
    /// The file is not the published one.
    #[error(
        "{url} sent a file that is not the published one: its SHA-256 is {found} and should {should}; dvm \
         deleted it"
    )]
    Checksum {
        /// The URL.
        url: String,
        /// Its SHA-256.
        found: String,
        /// What it should be: `be …` or `begin with …`.
        should: String,
    },
    /// A file in the cache has changed.
    #[error("{} is damaged: its SHA-256 is {found} and should {should}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its SHA-256.
        found: String,
        /// What it should be: `be …` or `begin with …`.
        should: String,
    },
    /// The cache cannot be read or written.
    #[error("{}: {source}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no folder for the cache.
    #[error("no folder for fetched files is known; set the environment variable DVM_CACHE to one")]
    NoCache,
}
