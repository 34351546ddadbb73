//! What can keep a file from coming.

use std::io;
use std::path::PathBuf;

/// An error of this crate; the message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The file is not in the cache, and nothing may be fetched.
    #[error(
        "offline, nothing is fetched: bring {url} to this machine by other means and put it where it \
         is looked for, {}",
        path.display()
    )]
    Offline {
        /// Where it is published.
        url: String,
        /// Where it would have to lie.
        path: PathBuf,
    },
    /// The URL is none to fetch from.
    #[error("{url} {why}")]
    Address {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection, or none that can be trusted.
    #[error("cannot reach {url}: {why}")]
    Unreachable {
        /// The URL.
        url: String,
        /// What the system, TLS or the proxy says.
        why: String,
    },
    /// The server does not give the file.
    #[error("{url}: the server answers {status}{hint}")]
    Status {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it may mean.
        hint: &'static str,
    },
    /// The server leads elsewhere, and that is not followed.
    #[error("{url} redirects to {to}, which {why}; that is not followed")]
    Redirect {
        /// The URL that redirects.
        url: String,
        /// Where to.
        to: String,
        /// Why not.
        why: String,
    },
    /// The server redirects on and on.
    #[error("{url} redirects more than {most} times")]
    Redirects {
        /// The URL that was asked for.
        url: String,
        /// The bound.
        most: usize,
    },
    /// A web page comes instead of the file.
    #[error(
        "{url} sends a web page instead of a file: perhaps there is a page to log in to, or a proxy \
         or mirror that does not know the file"
    )]
    WebPage {
        /// The URL.
        url: String,
    },
    /// The server's answer is not to be understood.
    #[error("{url}: {why}")]
    Answer {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file is larger than any that is fetched.
    #[error("{url} sends more than {most} bytes, the most that are taken")]
    TooLarge {
        /// The URL.
        url: String,
        /// The bound.
        most: u64,
    },
    /// The server is silent, or nearly so.
    #[error("{url} sends nothing any more, for {seconds} s; ask again to go on")]
    Stalled {
        /// The URL.
        url: String,
        /// How long it was waited for.
        seconds: f64,
    },
    /// The connection ended before the file did.
    #[error("{url}: the connection ended after {received}{of} bytes; ask again to go on")]
    Cut {
        /// The URL.
        url: String,
        /// Bytes of the file that are here.
        received: u64,
        /// Of how many, if that is known: ` of 7`.
        of: String,
    },
    /// What came is not what was published.
    #[error(
        "what {url} sent is not the published file: its SHA-256 is {found} and should {should}; it \
         was deleted"
    )]
    Checksum {
        /// The URL.
        url: String,
        /// Its SHA-256.
        found: String,
        /// What it should be or begin with.
        should: String,
    },
    /// A file in the cache is not what it was.
    #[error("{}: is damaged: its SHA-256 is {found} and should {should}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its SHA-256.
        found: String,
        /// What it should be or begin with.
        should: String,
    },
    /// The cache cannot be read or written.
    #[error("{}: {source}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no place for a cache.
    #[error(
        "there is no folder to keep fetched files in; name one in the environment variable DVM_CACHE"
    )]
    NoCache,
}
