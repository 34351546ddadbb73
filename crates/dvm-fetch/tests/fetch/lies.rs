//! Servers that send something else than they should. Nothing of it gets the file's name.

use crate::server::{Server, reply, whole};
use crate::{Desk, HUB, named, weights};

/// The fetch fails with these words and leaves nothing.
fn nothing_stays(server: &Server, words: &str) {
    let mut desk = Desk::new(server);
    let why = desk
        .torchvision(&named(&weights()))
        .unwrap_err()
        .to_string();
    assert!(why.contains(words), "{why}");
    assert!(desk.files().is_empty(), "{:?}", desk.files());
}

#[test]
fn wrong_bytes_are_deleted_and_named() {
    let server = Server::new(|_, _| {
        let mut bytes = weights();
        bytes[123_456] ^= 1;
        whole(&bytes, &[])
    });
    nothing_stays(&server, "is not the published file: its SHA-256 is ");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_web_page_never_becomes_weights() {
    let page = b"<!DOCTYPE html><title>Log in</title>";
    for kind in ["text/html; charset=utf-8", "application/octet-stream", ""] {
        let server = Server::new(move |_, _| whole(page, &[("content-type", kind)]));
        nothing_stays(&server, "sends a web page instead of a file");
        // Where nobody says what its checksum should be, it is recognised all the same.
        let mut desk = Desk::new(&server);
        assert!(desk.refused(&HUB).contains("a web page"));
        assert!(desk.files().is_empty());
    }
}

#[test]
fn more_than_was_announced_is_not_taken() {
    // What follows the announced length is another answer's, by the rules of HTTP.
    let server = Server::new(|_, _| {
        let bytes = [weights(), b"and more".to_vec()].concat();
        let length = weights().len().to_string();
        reply("200 OK", &[("content-length", &length)], &bytes)
    });
    let mut desk = Desk::new(&server);
    assert_eq!(desk.torchvision(&named(&weights())).unwrap().bytes, 300_000);
}

#[test]
fn less_than_the_file_is_found_out_even_if_it_is_announced_so() {
    let server = Server::new(|_, _| whole(&weights()[..1000], &[]));
    nothing_stays(&server, "is not the published file");
    // And if nothing is announced.
    let server = Server::new(|_, _| reply("200 OK", &[], &weights()[..1000]));
    nothing_stays(&server, "is not the published file");
}

#[test]
fn an_empty_file_is_not_the_published_one() {
    let server = Server::new(|_, _| whole(b"", &[]));
    nothing_stays(&server, "sends an empty file");
}

#[test]
fn a_file_larger_than_any_is_refused_before_and_while_it_comes() {
    let mut announced = Desk::new(&Server::new(|_, _| {
        reply("200 OK", &[("content-length", "999999999999")], &weights())
    }));
    assert!(
        announced
            .refused(&HUB)
            .contains("sends more than 8589934592 bytes")
    );
    assert!(announced.files().is_empty());
    let mut silent = Desk::new(&Server::new(|_, _| reply("200 OK", &[], &weights())));
    silent.fetcher.bounds.most_bytes = 100_000;
    assert!(
        silent
            .refused(&HUB)
            .contains("sends more than 100000 bytes")
    );
    assert!(silent.files().is_empty());
}

#[test]
fn compression_that_nobody_asked_for_is_refused() {
    let server = Server::new(|_, _| whole(&weights(), &[("content-encoding", "gzip")]));
    nothing_stays(&server, "compressed");
}

#[test]
fn what_is_not_http_is_refused() {
    for noise in [
        &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
        b"HTTP/1.1 banana\r\n\r\n",
        b"",
    ] {
        let server = Server::new(|_, _| vec![crate::server::Step::Say(noise.to_vec())]);
        let mut desk = Desk::new(&server);
        desk.fetcher.bounds.retries = 1;
        assert!(desk.fetch(&HUB).is_err());
        assert!(desk.files().is_empty());
    }
    let endless = Server::new(|_, _| {
        let header = format!("a: {}\r\n", "b".repeat(1000)).repeat(1000);
        let start = b"HTTP/1.1 200 OK\r\n".to_vec();
        vec![
            crate::server::Step::Say(start),
            crate::server::Step::Say(header.into_bytes()),
        ]
    });
    let mut desk = Desk::new(&endless);
    desk.fetcher.bounds.retries = 0;
    assert!(desk.fetch(&HUB).is_err());
}
