//! Fetching from a server on this machine, which tells the truth or does not.

mod cache;
mod failures;
mod lies;
mod redirects;
mod resuming;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dvm_fetch::{Address, Bounds, Cache, Event, FetchError, Fetched, Fetcher, Proxies};
use server::Server;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A file of the hub, which announces its checksum.
const HUB: Address = Address::HuggingFace {
    repository: "timm/tiny.in1k",
    file: "model.safetensors",
};

/// What is fetched in these tests: 300 kB that compare well.
fn weights() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i * 7 / 3) as u8).collect()
}

/// Lower-case hexadecimal digits of a SHA-256.
fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name that torchvision would give a file with these bytes.
fn named(bytes: &[u8]) -> String {
    format!("tiny-{}.pth", &sha256(bytes)[..8])
}

/// A cache that is empty at first, and what fetches into it.
struct Desk {
    folder: TempDir,
    fetcher: Fetcher,
    /// What happened, in words.
    events: Vec<String>,
}

impl Desk {
    fn new(server: &Server) -> Self {
        Self::at(&server.url(""))
    }

    fn at(base_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fetcher = Fetcher {
            cache: Cache::at(folder.path().join("cache")),
            base_url: Some(base_url.into()),
            offline: false,
            proxies: Proxies::default(),
            bounds: Bounds {
                connecting: Duration::from_secs(5),
                stall: Duration::from_secs(5),
                pause: Duration::from_millis(1),
                ..Bounds::default()
            },
        };
        Self {
            folder,
            fetcher,
            events: Vec::new(),
        }
    }

    fn fetch(&mut self, address: &Address) -> Result<Fetched, FetchError> {
        let events = &mut self.events;
        self.fetcher.fetch(address, &mut |event| match event {
            Event::Received { .. } => {}
            Event::Waiting => events.push("waiting".into()),
            Event::Retrying { why, pause } => events.push(format!("again in {pause:?}: {why}")),
            Event::StartingOver { why } => events.push(format!("anew: {why}")),
        })
    }

    /// Torchvision's file of that name.
    fn torchvision(&mut self, file: &str) -> Result<Fetched, FetchError> {
        self.fetch(&Address::Torchvision { file })
    }

    /// The words of an error.
    fn refused(&mut self, address: &Address) -> String {
        self.fetch(address).unwrap_err().to_string()
    }

    /// Names of all files in the cache, but for locks.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(self.folder.path(), &mut found);
        found.sort();
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            collect(&path, found);
        } else if !name.ends_with(".lock") {
            found.push(name);
        }
    }
}
