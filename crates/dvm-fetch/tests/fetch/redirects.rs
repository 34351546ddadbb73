//! Redirects, and the checksums that the hub announces with them.

use dvm_fetch::{Checked, FetchOutcome};
use dvm_testing::errors::says;

use crate::{Desk, HUB, sha256, weights};
use dvm_testing::server::{Server, redirect, reply, whole};

#[test]
fn a_redirect_to_another_host_is_followed() {
    let bytes = weights();
    let storage = Server::new(|_, _| whole(&weights(), &[]));
    let to = storage.url("/blob?key=secret");
    let server = Server::new(move |_, _| redirect(&to));
    let mut desk = Desk::new(&server);
    assert_eq!(desk.fetch_named().unwrap().sha256, sha256(&bytes));
    assert_eq!(storage.asked()[0].path, "/blob?key=secret");
}

#[test]
fn a_relative_redirect_is_followed() {
    let server = Server::new(|asked, _| match &asked.path[..] {
        "/moved/here" => whole(&weights(), &[]),
        _ => redirect("/moved/here"),
    });
    assert!(Desk::new(&server).fetch_named().is_ok());
}

#[test]
fn a_loop_of_redirects_is_an_error() {
    let server = Server::new(|asked, _| redirect(&asked.path.clone()));
    let mut desk = Desk::new(&server);
    desk.fetcher.bounds.redirects = 5;
    says(&desk.refused(&HUB), "redirects more than 5 times");
    assert_eq!(server.asked().len(), 6);
    assert!(desk.files().is_empty());
}

#[test]
fn a_redirect_to_another_scheme_is_not_followed() {
    for to in [
        "file:///etc/passwd",
        "ftp://example.org/a",
        "data:,a",
        "http://",
    ] {
        let server = Server::new(move |_, _| redirect(to));
        let mut desk = Desk::new(&server);
        says(&desk.refused(&HUB), "does not follow it");
        assert!(desk.files().is_empty());
    }
    let server = Server::new(|_, _| reply("302 Found", &[("content-length", "0")], b""));
    says(&Desk::new(&server).refused(&HUB), "redirects without a URL");
}

#[test]
fn messages_do_not_show_the_query() {
    let storage = Server::new(|_, _| reply("404 Not Found", &[("content-length", "0")], b""));
    let to = storage.url("/blob?key=secret");
    let server = Server::new(move |_, _| redirect(&to));
    let why = Desk::new(&server).refused(&HUB);
    assert!(why.contains("/blob") && !why.contains("secret"), "{why}");
}

/// A hub that announces this checksum and size, with a storage that has these bytes.
fn hub(announced: String, size: usize, bytes: Vec<u8>) -> Server {
    let storage = Server::new(move |_, _| whole(&bytes, &[("etag", "\"of-the-storage\"")]));
    Server::new(move |_, _| {
        let headers = [
            ("location", &storage.url("/blob")[..]),
            ("x-linked-etag", &format!("\"{announced}\"")),
            ("x-linked-size", &size.to_string()),
            ("content-length", "0"),
        ];
        reply("302 Found", &headers, b"")
    })
}

#[test]
fn a_file_of_the_hub_is_compared_with_the_announced_checksum() {
    let bytes = weights();
    let server = hub(sha256(&bytes), bytes.len(), bytes.clone());
    let mut desk = Desk::new(&server);
    let fetched = desk.fetch(&HUB).unwrap();
    assert_eq!(
        (fetched.checked, fetched.outcome),
        (Checked::Announced, FetchOutcome::Fetched)
    );
    let path = "cache/weights/huggingface/timm/tiny.in1k/model.safetensors";
    assert_eq!(fetched.path, desk.folder.path().join(path));
    let asked = &server.asked()[0];
    assert_eq!(asked.path, "/timm/tiny.in1k/resolve/main/model.safetensors");
    assert_eq!(desk.fetch(&HUB).unwrap().checked, Checked::Recorded);
}

#[test]
fn a_file_other_than_announced_by_the_hub_is_an_error() {
    let bytes = weights();
    let mut desk = Desk::new(&hub(sha256(b"other"), bytes.len(), bytes.clone()));
    let why = desk.refused(&HUB);
    assert!(
        why.contains(&format!("should be {}", sha256(b"other"))),
        "{why}"
    );
    assert!(desk.files().is_empty());
    let mut desk = Desk::new(&hub(sha256(&bytes), 7, bytes));
    says(&desk.refused(&HUB), "300000 bytes, but announced 7 bytes");
    assert!(desk.files().is_empty());
}

#[test]
fn a_mirror_may_announce_the_checksum_as_the_etag() {
    let tag = |bytes: &[u8]| format!("\"{}\"", sha256(bytes));
    let right = Server::new(move |_, _| whole(&weights(), &[("etag", &tag(&weights()))]));
    assert_eq!(
        Desk::new(&right).fetch(&HUB).unwrap().checked,
        Checked::Announced
    );
    let wrong = Server::new(move |_, _| whole(&weights(), &[("etag", &tag(b"other"))]));
    assert!(
        Desk::new(&wrong)
            .refused(&HUB)
            .contains("is not the published one")
    );
}
