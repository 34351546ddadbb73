//! Fetching a file: looks in the cache, downloads, checks, renames.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::cache::record;
use crate::location::Location;
use crate::part::{Lock, Part};
use crate::transfer::{Failure, Transfer};
use crate::{Address, Bounds, Cache, FetchError, Proxies, certificates};

/// The environment variable that switches fetching off. Any value does, except `0` and an empty one.
pub const OFFLINE_VARIABLE: &str = "DVM_OFFLINE";

/// The environment variable with the URL of a mirror.
pub const BASE_URL_VARIABLE: &str = "DVM_BASE_URL";

/// Downloads published files into a cache.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// The cache.
    pub cache: Cache,
    /// The URL of a mirror, instead of the publishers' ([`Address::url`]).
    pub base_url: Option<String>,
    /// Whether the network must not be used.
    pub offline: bool,
    /// The proxies.
    pub proxies: Proxies,
    /// Timeouts, sizes and retries.
    pub bounds: Bounds,
}

/// Progress of a fetch.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Another process is fetching the same file; this one waits.
    Waiting,
    /// Bytes arrived.
    Received {
        /// Bytes received so far, with those of an earlier attempt.
        bytes: u64,
        /// Length of the file, if the server states it.
        total: Option<u64>,
    },
    /// An attempt failed; another follows.
    Retrying {
        /// The error.
        why: &'a FetchError,
        /// The pause before the next attempt.
        pause: Duration,
    },
    /// The part on disk cannot be used; the download starts over.
    StartingOver {
        /// The reason, as a sentence without a full stop.
        why: &'a str,
    },
}

/// A file in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its path.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// What the SHA-256 was compared with.
    pub checked: Checked,
    /// Whether it was downloaded.
    pub outcome: FetchOutcome,
    /// Its URL, at the publisher or the mirror.
    pub url: String,
}

/// Whether a file was downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// It was downloaded.
    Fetched,
    /// An interrupted download was completed.
    Resumed,
    /// It was in the cache.
    AlreadyThere,
}

/// What a file's SHA-256 was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The digits in the file's published name.
    Name,
    /// The SHA-256 that the hub announced.
    Announced,
    /// The SHA-256 that was recorded when it was fetched.
    Recorded,
    /// Nothing: no checksum is known for this file.
    Nothing,
}

/// After so many new bytes, the retries are counted from 0 again.
const PROGRESS: u64 = 1 << 20;

impl Fetcher {
    /// Fetches into this cache, with the settings of the environment: `DVM_BASE_URL`, `DVM_OFFLINE` and
    /// the variables of [`Proxies`].
    pub fn from_environment(cache: Cache) -> Self {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            cache,
            base_url: read(BASE_URL_VARIABLE),
            offline: read(OFFLINE_VARIABLE).is_some_and(|value| value != "0"),
            proxies: Proxies::from_environment(),
            bounds: Bounds::default(),
        }
    }

    /// Makes sure that the file is in the cache, complete and with the right checksum. An interrupted
    /// download is resumed; a damaged file is fetched again. Two processes that fetch the same file take
    /// turns.
    ///
    /// # Errors
    /// [`FetchError`]. A part that can be resumed is kept; everything else is deleted.
    pub fn fetch(
        &self,
        address: &Address,
        watch: &mut dyn FnMut(Event),
    ) -> Result<Fetched, FetchError> {
        let url = address.url(self.base_url.as_deref());
        if !address.is_plain() {
            let why = "has a file name that cannot be used in a URL and a path".into();
            return Err(FetchError::Address { url, why });
        }
        let path = self.cache.path(address);
        match self.cached(address, &url) {
            Ok(Some(there)) => return Ok(there),
            Ok(None) if self.offline => return Err(FetchError::Offline { url, path }),
            Err(error) if self.offline => return Err(error),
            Ok(None) | Err(FetchError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        let start = Location::parse(&url).map_err(|why| FetchError::Address {
            url: shown(&url),
            why,
        })?;
        let tls = certificates::trusted().map_err(|why| FetchError::Unreachable {
            url: start.shown(),
            why,
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|source| FetchError::Cache {
            path: folder.to_owned(),
            source,
        })?;
        let _lock = Lock::take(&path, || watch(Event::Waiting))?;
        // Another process may have fetched it meanwhile.
        match self.cached(address, &url) {
            Ok(Some(there)) => return Ok(there),
            Ok(None) => {}
            Err(FetchError::Damaged { .. }) => watch(Event::StartingOver {
                why: "the file in the cache is damaged",
            }),
            Err(error) => return Err(error),
        }
        let transfer = Transfer {
            address,
            start,
            bounds: &self.bounds,
            proxies: &self.proxies,
            tls,
        };
        let mut part = Part::open(&path)?;
        let mut result = self.download(&transfer, &mut part, watch);
        if matches!(result, Err(FetchError::Checksum { .. })) && part.is_pieced {
            // The pieces may be of two different files.
            let why = "the resumed download has a wrong checksum";
            watch(Event::StartingOver { why });
            part.restart()?;
            result = self.download(&transfer, &mut part, watch);
        }
        if let Err(error) = result {
            if part.length() == 0 || !is_resumable(&error) {
                part.remove()?;
            }
            return Err(error);
        }
        let (bytes, sha256) = (part.length(), part.sha256());
        let checked = match (address.digits(), &part.origin().sha256) {
            (Some(_), _) => Checked::Name,
            (None, Some(_)) => Checked::Announced,
            (None, None) => Checked::Nothing,
        };
        record(&path, &sha256)?;
        let outcome = match part.is_pieced {
            true => FetchOutcome::Resumed,
            false => FetchOutcome::Fetched,
        };
        part.finish(&path)?;
        Ok(Fetched {
            path,
            bytes,
            sha256,
            checked,
            outcome,
            url,
        })
    }

    /// The file, if it is in the cache with the right checksum. The checksum of a file that was put there by
    /// hand is recorded now.
    fn cached(&self, address: &Address, url: &str) -> Result<Option<Fetched>, FetchError> {
        let Some(cached) = self.cache.find(address) else {
            return Ok(None);
        };
        let (sha256, bytes) = cached.digest()?;
        cached.check(&sha256)?;
        let checked = match (&cached.recorded, address.digits()) {
            (Some(_), _) => Checked::Recorded,
            (None, Some(_)) => Checked::Name,
            (None, None) => Checked::Nothing,
        };
        if cached.recorded.is_none() {
            // A read-only cache can still be used.
            let _ = record(&cached.path, &sha256);
        }
        Ok(Some(Fetched {
            path: cached.path,
            bytes,
            sha256,
            checked,
            outcome: FetchOutcome::AlreadyThere,
            url: url.to_owned(),
        }))
    }

    /// Tries until the part is complete and has the right checksum, or no attempt is left.
    fn download(
        &self,
        transfer: &Transfer,
        part: &mut Part,
        watch: &mut dyn FnMut(Event),
    ) -> Result<(), FetchError> {
        let (mut failures, mut pause) = (0, self.bounds.pause);
        let mut furthest = part.length();
        loop {
            let failure = match transfer.run(part, watch) {
                Ok(()) => return verify(transfer, part),
                Err(failure) => failure,
            };
            if part.length() >= furthest + PROGRESS {
                (failures, pause) = (0, self.bounds.pause);
            }
            furthest = furthest.max(part.length());
            failures += 1;
            match failure {
                Failure::Permanent(error) => return Err(error),
                Failure::PartUnusable(why) => {
                    if failures > self.bounds.retries {
                        let why = format!("the download cannot be resumed: {why}");
                        let url = transfer.start.shown();
                        return Err(FetchError::InvalidResponse { url, why });
                    }
                    watch(Event::StartingOver { why });
                    part.restart()?;
                }
                Failure::Temporary(error, asked) => {
                    let pause_now = asked.unwrap_or(pause);
                    if failures > self.bounds.retries || pause_now > self.bounds.longest_pause {
                        return Err(error);
                    }
                    let why = &error;
                    watch(Event::Retrying {
                        why,
                        pause: pause_now,
                    });
                    thread::sleep(pause_now);
                    pause *= 2;
                }
            }
        }
    }
}

/// Checks the SHA-256 of the complete file.
fn verify(transfer: &Transfer, part: &Part) -> Result<(), FetchError> {
    let found = part.sha256();
    let should = match (transfer.address.digits(), &part.origin().sha256) {
        (Some(digits), _) if !found.starts_with(digits) => format!("begin with {digits}"),
        (_, Some(announced)) if found != *announced => format!("be {announced}"),
        _ => return Ok(()),
    };
    Err(FetchError::Checksum {
        url: transfer.start.shown(),
        found,
        should,
    })
}

/// Whether a later fetch may resume what was received before this error.
fn is_resumable(error: &FetchError) -> bool {
    !matches!(
        error,
        FetchError::Checksum { .. } | FetchError::TooLarge { .. }
    )
}

/// An invalid URL for messages, without a password that it may contain.
fn shown(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{after}")
        }
        None => url.to_owned(),
    }
}
