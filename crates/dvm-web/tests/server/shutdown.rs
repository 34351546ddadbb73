//! Stopping a server.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{Answer, Running, config, endless, limited, long};

#[test]
fn running_requests_are_finished_and_waiting_ones_refused() {
    let server = Running::new(config());
    // An idle connection.
    let mut idle = server.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let worked_on = server.start(&long());
    server.wait_for_queue("long", 1.0);
    let waiting = server.start(&long());
    server.wait_for_queue("long", 2.0);
    server.end();
    let told = Answer::read(waiting);
    assert!(told.refused(503).contains("stopping"));
    assert!(told.header("retry-after").is_some());
    let finished = Answer::read(worked_on).accepted();
    assert_eq!(finished["explanations"][0]["method"], "occlusion");
    let address = server.address;
    server.join();
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(Answer::read(idle).status, 200);
}

#[test]
fn an_idle_server_stops_at_once() {
    let server = Running::new(config());
    let idle = server.connect();
    server.get("/health").accepted();
    let start = Instant::now();
    server.end();
    server.join();
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    drop(idle);
}

#[test]
fn stopping_takes_no_longer_than_the_limit_of_a_request() {
    let server = limited(|limits| limits.seconds = Duration::from_millis(500));
    let worked_on = server.start(&endless());
    server.wait_for_queue("long", 1.0);
    let start = Instant::now();
    server.end();
    assert_eq!(Answer::read(worked_on).status, 504);
    server.join();
    assert!(start.elapsed() < Duration::from_secs(6));
}
