//! Servers that send a wrong file. It never gets the final name.

use crate::{Desk, HUB, weights};
use dvm_testing::errors::says;
use dvm_testing::server::{Server, reply, whole};

/// Checks that the fetch fails with these words and leaves no file.
fn fails_without_files(server: &Server, words: &str) {
    let mut desk = Desk::new(server);
    says(&desk.fetch_named().unwrap_err(), words);
    assert!(desk.files().is_empty(), "{:?}", desk.files());
}

#[test]
fn a_file_with_a_wrong_checksum_is_deleted() {
    let server = Server::new(|_, _| {
        let mut bytes = weights();
        bytes[123_456] ^= 1;
        whole(&bytes, &[])
    });
    fails_without_files(&server, "is not the published one: its SHA-256 is ");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_web_page_is_an_error() {
    let page = b"<!DOCTYPE html><title>Log in</title>";
    for kind in ["text/html; charset=utf-8", "application/octet-stream", ""] {
        let server = Server::new(move |_, _| whole(page, &[("content-type", kind)]));
        fails_without_files(&server, "sends a web page instead of a file");
        // It is recognised without a checksum, too.
        let mut desk = Desk::new(&server);
        assert!(desk.refused(&HUB).contains("a web page"));
        assert!(desk.files().is_empty());
    }
}

#[test]
fn bytes_after_the_announced_length_are_ignored() {
    // In HTTP, they belong to the next response.
    let server = Server::new(|_, _| {
        let bytes = [weights(), b"and more".to_vec()].concat();
        let length = weights().len().to_string();
        reply("200 OK", &[("content-length", &length)], &bytes)
    });
    let mut desk = Desk::new(&server);
    assert_eq!(desk.fetch_named().unwrap().bytes, 300_000);
}

#[test]
fn a_shorter_file_is_an_error_with_and_without_a_length() {
    let server = Server::new(|_, _| whole(&weights()[..1000], &[]));
    fails_without_files(&server, "is not the published one");
    let server = Server::new(|_, _| reply("200 OK", &[], &weights()[..1000]));
    fails_without_files(&server, "is not the published one");
}

#[test]
fn an_empty_file_is_an_error() {
    let server = Server::new(|_, _| whole(b"", &[]));
    fails_without_files(&server, "sends an empty file");
}

#[test]
fn a_file_above_the_limit_is_an_error_with_and_without_a_length() {
    let mut announced = Desk::new(&Server::new(|_, _| {
        reply("200 OK", &[("content-length", "999999999999")], &weights())
    }));
    assert!(
        announced
            .refused(&HUB)
            .contains("has more than 8589934592 bytes")
    );
    assert!(announced.files().is_empty());
    let mut silent = Desk::new(&Server::new(|_, _| reply("200 OK", &[], &weights())));
    silent.fetcher.bounds.most_bytes = 100_000;
    assert!(silent.refused(&HUB).contains("has more than 100000 bytes"));
    assert!(silent.files().is_empty());
}

#[test]
fn a_compressed_body_is_an_error() {
    let server = Server::new(|_, _| whole(&weights(), &[("content-encoding", "gzip")]));
    fails_without_files(&server, "compressed");
}

#[test]
fn an_answer_that_is_not_http_is_an_error() {
    for noise in [
        &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
        b"HTTP/1.1 banana\r\n\r\n",
        b"",
    ] {
        let server = Server::new(|_, _| vec![dvm_testing::server::Step::Say(noise.to_vec())]);
        let mut desk = Desk::new(&server);
        desk.fetcher.bounds.retries = 1;
        assert!(desk.fetch(&HUB).is_err());
        assert!(desk.files().is_empty());
    }
    let endless = Server::new(|_, _| {
        let header = format!("a: {}\r\n", "b".repeat(1000)).repeat(1000);
        let start = b"HTTP/1.1 200 OK\r\n".to_vec();
        vec![
            dvm_testing::server::Step::Say(start),
            dvm_testing::server::Step::Say(header.into_bytes()),
        ]
    });
    let mut desk = Desk::new(&endless);
    desk.fetcher.bounds.retries = 0;
    assert!(desk.fetch(&HUB).is_err());
}
