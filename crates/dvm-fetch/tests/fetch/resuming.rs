//! Resuming an interrupted download.

use std::fs;

use dvm_fetch::{Checked, FetchOutcome};
use dvm_testing::errors::says;

use crate::{Desk, HUB, named, sha256, weights};
use dvm_testing::server::{Asked, Server, Step, reply, rest, whole};

/// Where the first connection breaks.
const HALF: usize = 150_000;

/// A file with this tag. The first response ends in the middle.
fn breaking(tag: &'static str) -> impl Fn(&Asked, usize) -> Vec<Step> {
    move |asked, before| match (before, asked.from()) {
        (0, _) => cut(whole(&weights(), &[("etag", tag)])),
        (_, Some(from)) => rest(&weights(), from, &[("etag", tag)]),
        (_, None) => whole(&weights(), &[("etag", tag)]),
    }
}

/// The same response with half of the body.
fn cut(mut steps: Vec<Step>) -> Vec<Step> {
    let Some(Step::Say(body)) = steps.last_mut() else {
        panic!("the last step is the body");
    };
    body.truncate(HALF);
    steps
}

/// The answer to a request for bytes after the end of the file.
fn beyond() -> Vec<Step> {
    let headers = [("content-range", "bytes */300000"), ("content-length", "0")];
    reply("416 Range Not Satisfiable", &headers, b"")
}

/// A cache in which an attempt without retries left half of the file.
fn half_done(server: &Server, file: &str) -> Desk {
    let mut desk = Desk::new(server);
    desk.fetcher.bounds.retries = 0;
    let error = desk.torchvision(file).unwrap_err();
    says(&error, "ended after 150000 of 300000 bytes");
    let [part, note] = [format!("{file}.part"), format!("{file}.part.json")];
    assert_eq!(desk.files(), [part, note]);
    desk.fetcher.bounds.retries = 3;
    desk
}

#[test]
fn a_broken_connection_is_resumed_at_once() {
    let bytes = weights();
    let server = Server::new(breaking("\"v1\""));
    let mut desk = Desk::new(&server);
    let fetched = desk.fetch_named().unwrap();
    assert_eq!(fetched.outcome, FetchOutcome::Resumed);
    assert_eq!(fs::read(fetched.path).unwrap(), bytes);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].from(), Some(HALF));
    assert_eq!(asked[1].header("if-range"), Some("\"v1\""));
    assert_eq!(desk.events.len(), 1, "{:?}", desk.events);
}

#[test]
fn a_second_run_resumes_the_download() {
    let bytes = weights();
    let server = Server::new(breaking("\"v1\""));
    let mut desk = half_done(&server, &named(&bytes));
    let fetched = desk.fetch_named().unwrap();
    assert_eq!(fetched.outcome, FetchOutcome::Resumed);
    assert_eq!(fetched.sha256, sha256(&bytes));
    assert_eq!(server.asked()[1].from(), Some(HALF));
    assert_eq!(desk.files(), [named(&bytes), named(&bytes) + ".sha256"]);
}

#[test]
fn a_server_may_send_the_complete_file_again() {
    let bytes = weights();
    let server = Server::new(|_, before| match before {
        0 => cut(whole(&weights(), &[])),
        _ => whole(&weights(), &[]),
    });
    let mut desk = half_done(&server, &named(&bytes));
    let fetched = desk.fetch_named().unwrap();
    assert_eq!(fetched.outcome, FetchOutcome::Fetched);
    assert_eq!(fs::read(fetched.path).unwrap(), bytes);
    assert_eq!(server.asked().len(), 2);
    assert!(desk.events[0].starts_with("start over: the file on the server has changed, or"));
}

#[test]
fn a_replaced_file_is_fetched_from_the_start() {
    // Without a checksum, only `If-Range` protects against mixing two files.
    let server = Server::new(|asked, before| {
        let (old, new) = (vec![b'o'; 300_000], vec![b'n'; 300_000]);
        match before {
            0 => cut(whole(&old, &[("etag", "\"old\"")])),
            _ if asked.header("if-range") == Some("\"new\"") => panic!("it was never seen"),
            _ => whole(&new, &[("etag", "\"new\"")]),
        }
    });
    let mut desk = Desk::new(&server);
    let fetched = desk.fetch(&HUB).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), vec![b'n'; 300_000]);
    assert_eq!(fetched.checked, Checked::Nothing);
    assert_eq!(server.asked()[1].header("if-range"), Some("\"old\""));
}

#[test]
fn a_replaced_file_is_recognised_by_its_tag_if_the_server_ignores_the_condition() {
    let server = Server::new(|asked, before| {
        let (old, new) = (vec![b'o'; 300_000], vec![b'n'; 300_000]);
        match (before, asked.from()) {
            (0, _) => cut(whole(&old, &[("etag", "\"old\"")])),
            (_, Some(from)) => rest(&new, from, &[("etag", "\"new\"")]),
            (_, None) => whole(&new, &[("etag", "\"new\"")]),
        }
    });
    let mut desk = Desk::new(&server);
    let fetched = desk.fetch(&HUB).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), vec![b'n'; 300_000]);
    assert_eq!(
        desk.events[1],
        "start over: the file on the server has changed"
    );
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_mix_of_two_files_is_recognised_by_the_checksum() {
    let bytes = weights();
    // No tag and no date: only the checksum of the complete file shows it.
    let server = Server::new(|asked, before| match (before, asked.from()) {
        (0, _) => cut(whole(&vec![b'o'; 300_000], &[])),
        (_, Some(from)) => rest(&weights(), from, &[]),
        (_, None) => whole(&weights(), &[]),
    });
    let mut desk = half_done(&server, &named(&bytes));
    let fetched = desk.fetch_named().unwrap();
    assert_eq!(fetched.outcome, FetchOutcome::Fetched);
    assert_eq!(
        desk.events,
        ["start over: the resumed download has a wrong checksum"]
    );
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn without_tag_and_checksum_a_download_is_not_resumed() {
    let server = Server::new(|_, before| match before {
        0 => cut(whole(&weights(), &[])),
        _ => whole(&weights(), &[]),
    });
    let mut desk = Desk::new(&server);
    assert_eq!(desk.fetch(&HUB).unwrap().bytes, 300_000);
    assert_eq!(server.asked()[1].from(), None);
}

#[test]
fn a_complete_part_is_not_fetched_again() {
    let bytes = weights();
    let server = Server::new(|asked, before| match (before, asked.from()) {
        (0, _) => cut(whole(&weights(), &[])),
        (_, from) => {
            assert_eq!(from, Some(300_000));
            beyond()
        }
    });
    let file = named(&bytes);
    let mut desk = half_done(&server, &file);
    let address = dvm_fetch::Address::Torchvision { file: &file };
    let part = desk.fetcher.cache.path(&address).with_extension("pth.part");
    fs::write(part, &bytes).unwrap();
    assert_eq!(desk.torchvision(&file).unwrap().sha256, sha256(&bytes));
}

#[test]
fn a_part_longer_than_the_file_is_deleted() {
    let bytes = weights();
    let server = Server::new(|asked, before| match (before, asked.from()) {
        (0, _) => cut(whole(&weights(), &[])),
        (_, Some(_)) => beyond(),
        (_, None) => whole(&weights(), &[]),
    });
    let file = named(&bytes);
    let mut desk = half_done(&server, &file);
    let address = dvm_fetch::Address::Torchvision { file: &file };
    let part = desk.fetcher.cache.path(&address).with_extension("pth.part");
    fs::write(part, [0; 300_001]).unwrap();
    assert_eq!(desk.torchvision(&file).unwrap().sha256, sha256(&bytes));
    assert_eq!(
        desk.events[0],
        "start over: the file on the server has another length"
    );
}

#[test]
fn another_part_than_requested_is_not_used() {
    let bytes = weights();
    let server = Server::new(|asked, before| match (before, asked.from()) {
        (0, _) => cut(whole(&weights(), &[])),
        (_, Some(from)) => rest(&weights(), from - 1, &[]),
        (_, None) => whole(&weights(), &[]),
    });
    let mut desk = half_done(&server, &named(&bytes));
    assert_eq!(desk.fetch_named().unwrap().sha256, sha256(&bytes));
    assert!(desk.events[0].contains("another part than requested"));
}

#[test]
fn a_login_page_does_not_delete_the_part() {
    let bytes = weights();
    let page = |_: &Asked| whole(b"<html>log in</html>", &[("content-type", "text/html")]);
    let server = Server::new(move |asked, before| match (before, asked.from()) {
        (0, _) => cut(whole(&weights(), &[])),
        (1, _) => page(asked),
        (_, from) => rest(&weights(), from.unwrap(), &[]),
    });
    let mut desk = half_done(&server, &named(&bytes));
    says(&desk.fetch_named().unwrap_err(), "a web page");
    assert_eq!(desk.fetch_named().unwrap().outcome, FetchOutcome::Resumed);
}
