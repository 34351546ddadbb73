//! Bringing a file, from the question whether it is there to its final name.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::cache::record;
use crate::location::Location;
use crate::part::{Lock, Part};
use crate::transfer::{Problem, Transfer};
use crate::{Address, Bounds, Cache, FetchError, Proxies, certificates};

/// The environment variable that keeps the program from the network: anything but `0` or nothing.
pub const OFFLINE_VARIABLE: &str = "DVM_OFFLINE";

/// The environment variable that names a mirror.
pub const BASE_URL_VARIABLE: &str = "DVM_BASE_URL";

/// Brings published files into a cache.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// Where they are put.
    pub cache: Cache,
    /// A mirror to ask instead of the publishers ([`Address::url`]).
    pub base_url: Option<String>,
    /// Whether the network must not be touched.
    pub offline: bool,
    /// Proxies to go through.
    pub proxies: Proxies,
    /// How long is waited, how much is taken, how often it is tried.
    pub bounds: Bounds,
}

/// What happens while a file is brought.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Another process fetches the same file, and it is waited for.
    Waiting,
    /// So many bytes are here.
    Received {
        /// Bytes that are here, those of an earlier attempt included.
        bytes: u64,
        /// Bytes of the whole file, if the server says it.
        total: Option<u64>,
    },
    /// An attempt failed, another follows.
    Retrying {
        /// What happened.
        why: &'a FetchError,
        /// How long it is waited before.
        pause: Duration,
    },
    /// What there was is of no use, and the file is fetched from its beginning.
    StartingOver {
        /// Why, as a sentence without its end.
        why: &'a str,
    },
}

/// A file that is in the cache now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// What that was compared with.
    pub checked: Checked,
    /// Whether it was fetched.
    pub outcome: Outcome,
    /// Where it is published, or at which mirror it was asked for.
    pub url: String,
}

/// Whether anything was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it.
    Fetched,
    /// What an earlier attempt had not brought.
    Resumed,
    /// Nothing: it was there.
    AlreadyThere,
}

/// What a checksum was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The digits in the file's published name.
    Name,
    /// What the hub announced.
    Announced,
    /// What was recorded when it was fetched.
    Recorded,
    /// Nothing: nobody says what it should be.
    Nothing,
}

/// As much news gives a connection that breaks a new set of retries.
const NEWS: u64 = 1 << 20;

impl Fetcher {
    /// Fetches into this cache as the environment says: `DVM_BASE_URL`, `DVM_OFFLINE` and the
    /// variables of [`Proxies`].
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

    /// Sees that the file is in the cache, whole and with the checksum that it should have. What an
    /// earlier attempt brought is gone on with; what is damaged is fetched again. Two processes that
    /// fetch one file at once take turns.
    ///
    /// # Errors
    /// [`FetchError`] says why it is not. A part that may be gone on with stays; nothing else does.
    pub fn fetch(
        &self,
        address: &Address,
        watch: &mut dyn FnMut(Event),
    ) -> Result<Fetched, FetchError> {
        let url = address.url(self.base_url.as_deref());
        if !address.is_plain() {
            let why = "has a name that is not fit for a URL and a path".into();
            return Err(FetchError::Address { url, why });
        }
        let path = self.cache.path(address);
        match self.there(address, &url) {
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
        // Another process may have brought it meanwhile.
        match self.there(address, &url) {
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
        let mut brought = self.bring(&transfer, &mut part, watch);
        if matches!(brought, Err(FetchError::Checksum { .. })) && part.is_pieced {
            // Perhaps the pieces are of two files.
            let why = "the pieces do not make up the published file";
            watch(Event::StartingOver { why });
            part.restart()?;
            brought = self.bring(&transfer, &mut part, watch);
        }
        if let Err(error) = brought {
            if part.length() == 0 || !may_go_on(&error) {
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
            true => Outcome::Resumed,
            false => Outcome::Fetched,
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

    /// The file, if it is in the cache and what it should be. One that was put there by hand is
    /// recorded now.
    fn there(&self, address: &Address, url: &str) -> Result<Option<Fetched>, FetchError> {
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
            // A cache that cannot be written can still be used.
            let _ = record(&cached.path, &sha256);
        }
        Ok(Some(Fetched {
            path: cached.path,
            bytes,
            sha256,
            checked,
            outcome: Outcome::AlreadyThere,
            url: url.to_owned(),
        }))
    }

    /// Attempts until the part is whole and what was published, or none helps.
    fn bring(
        &self,
        transfer: &Transfer,
        part: &mut Part,
        watch: &mut dyn FnMut(Event),
    ) -> Result<(), FetchError> {
        let (mut failures, mut pause) = (0, self.bounds.pause);
        let mut furthest = part.length();
        loop {
            let problem = match transfer.run(part, watch) {
                Ok(()) => return verify(transfer, part),
                Err(problem) => problem,
            };
            if part.length() >= furthest + NEWS {
                (failures, pause) = (0, self.bounds.pause);
            }
            furthest = furthest.max(part.length());
            failures += 1;
            match problem {
                Problem::Final(error) => return Err(error),
                Problem::Stale(why) => {
                    if failures > self.bounds.retries {
                        let why = format!("the file cannot be put together: {why}");
                        let url = transfer.start.shown();
                        return Err(FetchError::Answer { url, why });
                    }
                    watch(Event::StartingOver { why });
                    part.restart()?;
                }
                Problem::Passing(error, asked) => {
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

/// Whether what came is what was published.
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

/// Whether another fetch may go on with what came before this.
fn may_go_on(error: &FetchError) -> bool {
    !matches!(
        error,
        FetchError::Checksum { .. } | FetchError::TooLarge { .. }
    )
}

/// A URL that cannot be read, without a password that it may hold.
fn shown(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{after}")
        }
        None => url.to_owned(),
    }
}
