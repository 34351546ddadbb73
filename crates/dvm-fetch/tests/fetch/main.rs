//! Fetching from a server on this machine that sends right or wrong answers.

mod cache;
mod failures;
mod redirects;
mod resuming;
mod wrong_answers;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dvm_fetch::{Address, Bounds, Cache, Event, FetchError, Fetched, Fetcher, Proxies};
use dvm_testing::server::Server;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A file of the hub, which announces its checksum.
const HUB: Address = Address::HuggingFace {
    repository: "timm/tiny.in1k",
    file: "model.safetensors",
};

/// The file of these tests: 300 kB.
fn weights() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i * 7 / 3) as u8).collect()
}

/// Lower-case hexadecimal digits of a SHA-256.
fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// torchvision's name of a file with these bytes.
fn named(bytes: &[u8]) -> String {
    format!("tiny-{}.pth", &sha256(bytes)[..8])
}

/// An empty cache and a fetcher.
struct Desk {
    folder: TempDir,
    fetcher: Fetcher,
    /// The events as text.
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
            Event::Retrying { why, pause } => events.push(format!("retry in {pause:?}: {why}")),
            Event::StartingOver { why } => events.push(format!("start over: {why}")),
        })
    }

    /// torchvision's file of that name.
    fn torchvision(&mut self, file: &str) -> Result<Fetched, FetchError> {
        self.fetch(&Address::Torchvision { file })
    }

    /// torchvision's file of the tests' weights.
    fn fetch_named(&mut self) -> Result<Fetched, FetchError> {
        self.torchvision(&named(&weights()))
    }

    /// The message of the error.
    fn refused(&mut self, address: &Address) -> String {
        self.fetch(address).unwrap_err().to_string()
    }

    /// Names of all files in the cache, without locks.
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
