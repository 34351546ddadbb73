//! Servers that do not answer, servers that answer later, and proxies.

use std::net::TcpListener;
use std::time::Duration;

use dvm_fetch::{Address, Proxies};
use dvm_testing::errors::says;

use crate::{Desk, HUB, sha256, weights};
use dvm_testing::server::{Server, Step, reply, whole};

/// A server that answers with this status once, then with the file.
fn once(status: &'static str, headers: &'static [(&str, &str)]) -> Server {
    Server::new(move |_, before| match before {
        0 => reply(
            status,
            &[&[("content-length", "4")], headers].concat(),
            b"oops",
        ),
        _ => whole(&weights(), &[]),
    })
}

#[test]
fn temporary_errors_are_retried() {
    for status in [
        "500 Oops",
        "502 Bad Gateway",
        "503 Busy",
        "504 Late",
        "429 Slowly",
    ] {
        let server = once(status, &[]);
        let mut desk = Desk::new(&server);
        assert!(desk.fetch_named().is_ok(), "{status}");
        assert!(desk.events[0].contains(&status[..3]), "{:?}", desk.events);
    }
}

#[test]
fn permanent_errors_are_not_retried() {
    for status in [
        "404 Not Found",
        "403 Forbidden",
        "401 Unauthorized",
        "410 Gone",
    ] {
        let server = once(status, &[("content-type", "text/html")]);
        let mut desk = Desk::new(&server);
        let error = desk.fetch_named().unwrap_err();
        says(&error, &format!("answers {}", &status[..3]));
        assert_eq!(server.asked().len(), 1);
        assert!(desk.files().is_empty());
    }
}

#[test]
fn the_number_of_attempts_is_limited() {
    let server = Server::new(|_, _| reply("503 Busy", &[("content-length", "0")], b""));
    let mut desk = Desk::new(&server);
    says(&desk.refused(&HUB), "503 (an error of the server)");
    assert_eq!(server.asked().len(), 4);
    assert_eq!(desk.events.len(), 3);
    assert!(desk.files().is_empty());
}

#[test]
fn a_pause_that_the_server_asks_for_is_kept_or_an_error() {
    let server = once("429 Slowly", &[("retry-after", "1")]);
    let mut desk = Desk::new(&server);
    assert!(desk.fetch_named().is_ok());
    assert!(desk.events[0].starts_with("retry in 1s: "));
    let server = once("429 Slowly", &[("retry-after", "3600")]);
    says(&Desk::new(&server).refused(&HUB), "too many requests");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_server_that_stops_sending_is_asked_again() {
    let stall = Step::Wait(Duration::from_secs(3));
    for silent_after in [0, 1, 2] {
        let stall = stall.clone();
        let server = Server::new(move |asked, before| {
            if before > 0 {
                let from = asked.from().unwrap_or(0);
                return match from {
                    0 => whole(&weights(), &[]),
                    _ => dvm_testing::server::rest(&weights(), from, &[]),
                };
            }
            let mut steps = whole(&weights(), &[]);
            let Step::Say(body) = steps.pop().unwrap() else {
                panic!("the last step is the body");
            };
            steps.push(Step::Say(body[..1000].to_vec()));
            steps.insert(silent_after, stall.clone());
            steps
        });
        let mut desk = Desk::new(&server);
        desk.fetcher.bounds.stall = Duration::from_millis(200);
        let fetched = desk.fetch_named().unwrap();
        assert_eq!(fetched.sha256, sha256(&weights()));
        assert!(desk.events[0].contains("stopped sending for 0.2 s"));
    }
}

#[test]
fn a_server_that_sends_too_slowly_counts_as_stalled() {
    let server = Server::new(|_, _| {
        let mut steps = whole(&weights(), &[]);
        steps.pop();
        for _ in 0..40 {
            steps.push(Step::Say(vec![1]));
            steps.push(Step::Wait(Duration::from_millis(30)));
        }
        steps
    });
    let mut desk = Desk::new(&server);
    desk.fetcher.bounds.stall = Duration::from_millis(150);
    desk.fetcher.bounds.retries = 0;
    says(&desk.refused(&HUB), "stopped sending");
}

#[test]
fn the_error_names_a_missing_host() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut desk = Desk::at(&format!("http://127.0.0.1:{port}"));
    let error = desk.refused(&HUB);
    says(
        &error,
        &format!("cannot reach http://127.0.0.1:{port}/timm"),
    );
    assert_eq!(desk.events.len(), 3);
    assert!(desk.files().is_empty());
}

#[test]
fn invalid_base_urls_are_errors() {
    for (base, words) in [
        ("mirror.example.org/weights", "http"),
        ("ftp://mirror.example.org", "only http and https"),
        ("http://me:secret@mirror.example.org", "user name"),
    ] {
        let mut desk = Desk::at(base);
        let why = desk.refused(&HUB);
        assert!(why.contains(words) && !why.contains("secret"), "{why}");
    }
}

#[test]
fn file_names_that_leave_the_cache_are_errors() {
    let mut desk = Desk::at("http://127.0.0.1:9");
    let file = "../../../escaped.pth";
    let error = desk.refused(&Address::Torchvision { file });
    says(&error, "cannot be used in a URL and a path");
}

#[test]
fn a_proxy_resolves_the_host() {
    let proxy = Server::new(|asked, _| {
        assert_eq!(asked.method, "CONNECT");
        reply(
            "407 Proxy Authentication Required",
            &[("content-length", "0")],
            b"",
        )
    });
    let mut desk = Desk::at("http://weights.invalid");
    desk.fetcher.proxies = Proxies {
        all: Some(proxy.url("").replace("http://", "http://me:secret@")),
        ..Proxies::default()
    };
    let why = desk.refused(&HUB);
    let place = format!("through the proxy 127.0.0.1:{}", proxy.port());
    assert!(why.contains(&place) && !why.contains("secret"), "{why}");
    let asked = &proxy.asked()[0];
    assert_eq!(asked.path, "weights.invalid:80");
    // `me:secret`.
    assert_eq!(
        asked.header("proxy-authorization"),
        Some("Basic bWU6c2VjcmV0")
    );
}

#[test]
fn a_file_is_fetched_through_a_proxy() {
    // After CONNECT, the proxy itself answers in place of the server.
    let proxy = Server::new(|_, _| {
        let tunnel = Step::Say(b"HTTP/1.1 200 Connected\r\n\r\n".to_vec());
        let pause = Step::Wait(Duration::from_millis(100));
        [vec![tunnel, pause], whole(&weights(), &[])].concat()
    });
    let mut desk = Desk::at("http://weights.invalid");
    desk.fetcher.proxies.http = Some(proxy.url(""));
    let fetched = desk.fetch_named().unwrap();
    assert_eq!(fetched.sha256, sha256(&weights()));
}
