//! Limits of requests.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Crc;
use serde_json::json;

use crate::client::{
    Answer, EXPLAIN, JSON, PREDICT, Running, about_picture, config, instance, limited, picture,
    request,
};

#[test]
fn a_too_large_body_is_refused_by_its_length_and_by_its_bytes() {
    let server = limited(|limits| limits.body = 10_000);
    let large = server.ask("POST", PREDICT, &[JSON], &vec![b' '; 10_001]);
    assert!(large.refused(413).contains("10000 bytes"));
    // By its Content-Length, before any of it is sent.
    let head = format!(
        "POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
    );
    server.raw(head.as_bytes()).refused(413);
    // Without a Content-Length.
    let mut chunked = format!(
        "POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    for _ in 0..3 {
        chunked += &format!("1000\r\n{}\r\n", " ".repeat(4096));
    }
    server.raw((chunked + "0\r\n\r\n").as_bytes()).refused(413);
    let fits = server.post(PREDICT, &json!({ "instances": [instance(&picture())] }));
    fits.accepted();
}

#[test]
fn bodies_that_are_too_large_together_get_a_time_to_retry() {
    let server = limited(|limits| limits.bodies = 5_000);
    let answer = server.ask("POST", PREDICT, &[JSON], &vec![b' '; 6_000]);
    answer.refused(429);
    assert!(answer.header("retry-after").is_some());
    // Its bytes are free again.
    let empty = json!({ "instances": [] });
    server.post(PREDICT, &empty).refused(400);
}

#[test]
fn slow_clients_are_disconnected() {
    let server = limited(|limits| {
        limits.head = Duration::from_millis(300);
        limits.patience = Duration::from_millis(300);
    });
    let start = Instant::now();
    // No data, half of a head, a body that does not arrive.
    for begin in ["", "GET /v2 HTTP/1.1\r\nHost: loc"] {
        let mut stream = server.connect();
        stream.write_all(begin.as_bytes()).unwrap();
        let answer = Answer::read(stream);
        let status = answer.status;
        assert!(matches!(status, 0 | 408), "{begin}: {status}");
    }
    let mut stream = server.connect();
    let head =
        "POST /v1/models/net:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = Answer::read(stream);
    assert!(answer.refused(408).contains("too slowly"));
    // An idle connection.
    let mut stream = server.connect();
    let asked = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(asked.as_bytes()).unwrap();
    assert_eq!(Answer::read(stream).status, 200);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_client_that_reads_nothing_does_not_keep_its_connection() {
    let server = limited(|limits| limits.patience = Duration::from_millis(300));
    let mut stream = server.connect();
    // More unread answers than fit into the buffers.
    let asked = "GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(400);
    stream.write_all(asked.as_bytes()).unwrap();
    let mut read = 0;
    thread::sleep(Duration::from_secs(2));
    let mut buffer = vec![0; 1 << 20];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        read += count;
    }
    let all = 400 * server.get("/page.js").body.len();
    assert!(read < all, "{read} of {all}");
}

#[test]
fn more_connections_than_allowed_wait_for_one_to_end() {
    let server = limited(|limits| {
        limits.connections = 2;
        limits.head = Duration::from_millis(500);
    });
    let idle = [server.connect(), server.connect()];
    // Answered as soon as idle connections are closed.
    assert_eq!(server.get("/health").status, 200);
    drop(idle);
}

#[test]
fn bodies_that_are_not_json_are_errors() {
    let server = Running::new(config());
    for path in [PREDICT, "/v2/models/net/infer"] {
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "",
        ] {
            let answer = server.ask("POST", path, &[("Content-Type", kind)], b"{}");
            assert!(
                answer.refused(415).contains("application/json"),
                "{path} {kind}"
            );
        }
        let headers = [JSON, ("Content-Encoding", "gzip")];
        server.ask("POST", path, &headers, b"{}").refused(415);
        let kind = [("Content-Type", "application/json; charset=utf-8")];
        for (broken, place) in [
            ("{\"instances\": [1,", "line 1 column"),
            ("{\n\n nonsense", "line 3 column"),
        ] {
            let answer = server.ask("POST", path, &kind, broken.as_bytes());
            answer.is_wrong(place);
        }
        let deep = "[".repeat(100_000);
        let deeper = format!("{{\"instances\": {deep}");
        let (deep, deeper) = (deep.as_bytes(), deeper.as_bytes());
        for body in [&b"\xff\xfe"[..], b"", b"[]", b"null", deep, deeper] {
            server.ask("POST", path, &kind, body).refused(400);
        }
    }
}

#[test]
fn a_too_large_head_is_refused() {
    let server = Running::new(config());
    let long = "a".repeat(1_000_000);
    let answer = server.ask("GET", "/v2", &[("X-Long", &long)], b"");
    assert_eq!(answer.status, 431);
    assert!(matches!(server.get(&format!("/{long}")).status, 414 | 431));
    assert_eq!(server.raw(b"nonsense\r\n\r\n").status, 400);
    assert_eq!(server.get("/v2").status, 200);
}

/// A PNG file whose header has this size, without pixels.
fn bomb(side: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(data);
        file.extend(kind);
        file.extend(data);
        file.extend(crc.sum().to_be_bytes());
    };
    let side = side.to_be_bytes();
    chunk(b"IHDR", &[&side[..], &side[..], &[8, 2, 0, 0, 0]].concat());
    chunk(b"IDAT", &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]);
    chunk(b"IEND", &[]);
    file
}

#[test]
fn a_file_with_too_many_pixels_is_refused_by_its_header() {
    let server = Running::new(config());
    let start = Instant::now();
    for side in [10_000, 60_000, u32::MAX >> 1] {
        let body = json!({ "instances": [instance(&bomb(side))] });
        for path in [PREDICT, EXPLAIN] {
            let why = server.post(path, &body).refused(400);
            assert!(why.starts_with("instances[0]: the picture is a"), "{why}");
        }
    }
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_limit_of_pixels_applies_to_every_network() {
    let server = limited(|limits| limits.pixels = 1000);
    let body = json!({ "instances": [instance(&picture())] });
    server.post(PREDICT, &body).is_wrong("40 × 60");
}

#[test]
fn a_file_that_is_not_a_picture_is_an_error_with_its_position() {
    let server = Running::new(config());
    let whole = picture();
    for file in [
        &b"hello"[..],
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        &whole[..whole.len() / 2],
    ] {
        let body = json!({ "instances": [instance(&whole), instance(file)] });
        let answer = server.post(PREDICT, &body);
        if answer.status == 200 {
            // A truncated file is used with a warning.
            let warnings = answer.json()["predictions"][1]["warnings"].to_string();
            assert!(warnings.contains("truncated"), "{warnings}");
        } else {
            assert!(answer.refused(400).starts_with("instances[1]: the picture"));
        }
    }
}

#[test]
fn files_of_the_machine_are_not_served() {
    let server = Running::new(config());
    for path in [
        "/../../../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page.js/../../Cargo.toml",
        "/page.js%00.html",
        "/%00",
        "//etc/passwd",
        "/./page.js",
        "/page.js/",
        "/Page.js",
        "/etc/passwd",
        "/index.html",
        "/static/../page.html",
        "/api/../etc/passwd",
        "/v1/models/..%2f..%2fetc",
        "/v2/models/%2e%2e%2f/ready",
    ] {
        let status = server.get(path).status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
    assert_eq!(server.ask("POST", "/page.js", &[], b"").status, 405);
    assert_eq!(server.get("/v1/models/net%3Apredict").status, 404);
}

#[test]
fn options_that_would_read_files_are_errors() {
    let server = Running::new(config());
    for (method, option, value) in [
        ("integrated-gradients", "baseline", "/etc/passwd"),
        ("occlusion", "fill", "secret.png"),
        ("feature-ablation", "segments", "file:/etc/passwd"),
        (
            "smoothgrad",
            "of",
            "integrated-gradients:baseline=/etc/passwd",
        ),
    ] {
        let words = "does not read files for it";
        let parameters = json!({ "method": method, "options": { option: value } });
        server
            .post(EXPLAIN, &about_picture(&parameters))
            .is_wrong(words);
        let body = json!({
            "inputs": [{
                "name": "image", "shape": [1], "datatype": "BYTES",
                "data": [BASE64_STANDARD.encode(picture())],
            }],
            "parameters": { format!("options.{option}"): value },
        });
        let path = format!("/v2/models/net:{method}/infer");
        server.post(&path, &body).is_wrong(words);
    }
}

#[test]
fn a_request_with_too_many_pictures_is_an_error() {
    let server = limited(|limits| limits.batch = 2);
    let many = |count| json!({ "instances": vec![instance(&picture()); count] });
    server.post(PREDICT, &many(2)).accepted();
    server.post(PREDICT, &many(3)).is_wrong("1 to 2 instances");
    // Lists that are small as text but large in memory.
    let empty = format!("{{\"instances\": [{}[]]}}", "[],".repeat(100_000));
    let request = request("POST", PREDICT, &[JSON], empty.as_bytes());
    server.raw(&request).refused(400);
}
