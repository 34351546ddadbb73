//! Downloading published weights from a local server.

use std::path::Path;

use dvm::fetch::{Bounds, Cache, Checked, FetchOutcome, Fetcher, Proxies};
use dvm::models::{Architecture, Published, Source};
use dvm::{Classifier, weights};

use dvm_testing::server::{Server, whole};

/// The smallest embedded network, and its file.
fn squeezenet() -> (&'static Architecture, &'static [u8]) {
    let architecture = dvm::models::find("squeezenet1_1").unwrap();
    (architecture, architecture.embedded.unwrap())
}

/// The same weights as if published on the hub.
fn on_the_hub() -> Published {
    let usual = squeezenet().0.usual();
    Published {
        tag: "in1k",
        source: Source::HuggingFace {
            repository: "timm/squeezenet1_1.in1k",
            file: "model.safetensors",
        },
        top1: usual.top1,
        preprocess: usual.preprocess.clone(),
        licence: "MIT",
    }
}

fn fetcher(server: &Server, folder: &Path) -> Fetcher {
    Fetcher {
        cache: Cache::at(folder),
        base_url: Some(server.url("")),
        offline: false,
        proxies: Proxies::default(),
        bounds: Bounds::default(),
    }
}

#[test]
fn downloaded_weights_are_a_network() {
    let (architecture, bytes) = squeezenet();
    let server = Server::new(move |_, _| whole(bytes, &[]));
    let folder = tempfile::tempdir().unwrap();
    let fetcher = fetcher(&server, folder.path());
    let fetched = weights::fetch(architecture, &on_the_hub(), &fetcher, &mut |_| {}).unwrap();
    assert_eq!(fetched.outcome, FetchOutcome::Fetched);
    assert_eq!(fetched.checked, Checked::Nothing);
    let network = Classifier::open("squeezenet1_1", Some(&fetched.path)).unwrap();
    assert_eq!(network.weights_sha256(), fetched.sha256);
    let asked = &server.asked()[0].path;
    assert_eq!(
        asked,
        "/timm/squeezenet1_1.in1k/resolve/main/model.safetensors"
    );
}

#[test]
fn a_file_without_checksum_that_is_not_a_network_is_deleted() {
    let server = Server::new(|_, _| whole(b"{\"error\": \"quota exceeded\"}", &[]));
    let folder = tempfile::tempdir().unwrap();
    let fetcher = fetcher(&server, folder.path());
    let (architecture, published) = (squeezenet().0, on_the_hub());
    let fetched = weights::fetch(architecture, &published, &fetcher, &mut |_| {});
    let why = fetched.unwrap_err().to_string();
    assert!(why.contains("not weights"), "{why}");
    assert_eq!(fetcher.cache.find(&weights::address(&published)), None);
}
