//! The queue for the engine.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{
    Answer, EXPLAIN, PREDICT, Running, about_picture, config, endless, instance, limited, long,
    picture,
};

#[test]
fn a_full_queue_returns_the_time_to_retry_and_short_work_has_its_own_lane() {
    let server = limited(|limits| limits.queue = 1);
    let worked_on = server.start(&endless());
    server.wait_for_queue("long", 1.0);
    let waiting = server.start(&endless());
    server.wait_for_queue("long", 2.0);
    let refused = server.post(EXPLAIN, &endless());
    assert!(refused.refused(429).contains("1 requests are waiting"));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&seconds), "{seconds}");
    assert_eq!(server.metric("dvm_queue_refused_total"), 1.0);
    // A prediction runs beside it.
    let body = json!({ "instances": [instance(&picture())] });
    server.post(PREDICT, &body).accepted();
    drop((worked_on, waiting));
    server.wait_for_queue("long", 0.0);
}

#[test]
fn work_is_cancelled_when_its_client_leaves_and_the_next_runs() {
    let server = Running::new(config());
    let start = Instant::now();
    let leaving = server.start(&endless());
    server.wait_for_queue("long", 1.0);
    let waiting = server.start(&long());
    server.wait_for_queue("long", 2.0);
    drop(leaving);
    let answer = Answer::read(waiting);
    assert_eq!(answer.accepted()["explanations"][0]["method"], "occlusion");
    assert!(start.elapsed() < Duration::from_secs(25));
    // A cancelled walk does not affect later results.
    let again = server.post(EXPLAIN, &long());
    assert_eq!(again.accepted(), answer.json());
}

#[test]
fn a_waiting_client_that_leaves_frees_its_place() {
    let server = limited(|limits| limits.queue = 1);
    let worked_on = server.start(&endless());
    server.wait_for_queue("long", 1.0);
    let waiting = server.start(&endless());
    server.wait_for_queue("long", 2.0);
    drop(waiting);
    server.wait_for_queue("long", 1.0);
    drop(worked_on);
    server.wait_for_queue("long", 0.0);
}

#[test]
fn work_that_takes_too_long_is_cancelled_with_an_error() {
    let server = limited(|limits| limits.seconds = Duration::from_millis(400));
    let start = Instant::now();
    let why = server.post(EXPLAIN, &endless()).refused(504);
    assert!(why.contains("0.4 seconds"), "{why}");
    assert!(start.elapsed() < Duration::from_secs(10));
    server.wait_for_queue("long", 0.0);
    server.get("/v2/health/ready").accepted();
}

#[test]
fn waiting_too_long_is_an_error() {
    let server = limited(|limits| limits.wait = Duration::from_millis(200));
    let worked_on = server.start(&endless());
    server.wait_for_queue("long", 1.0);
    let answer = server.post(EXPLAIN, &endless());
    answer.refused(503);
    assert!(answer.header("retry-after").is_some());
    drop(worked_on);
}

#[test]
fn many_clients_get_the_same_answer() {
    let server = Running::new(config());
    let body = about_picture(&json!({ "method": "gradient" }));
    let first = server.post(EXPLAIN, &body).accepted();
    thread::scope(|scope| {
        let asked: Vec<_> = (0..12)
            .map(|_| scope.spawn(|| server.post(EXPLAIN, &body).accepted()))
            .collect();
        for asked in asked {
            assert_eq!(asked.join().unwrap(), first);
        }
    });
    let line = "dvm_http_requests_total{route=\"/v1/models/{model}:explain\",method=\"POST\",status=\"200\"}";
    assert_eq!(server.metric(line), 13.0);
    assert!(server.metric("dvm_engine_seconds_total{method=\"gradient\"}") > 0.0);
}

#[test]
fn long_work_of_every_method_is_cancelled_in_time() {
    let server = limited(|limits| limits.seconds = Duration::from_millis(300));
    for (method, options) in [
        ("integrated-gradients", json!({ "steps": 5000 })),
        ("smoothgrad", json!({ "samples": 5000 })),
        ("score-cam", json!({})),
        ("rise", json!({ "masks": 8000 })),
        (
            "kernel-shap",
            json!({ "samples": 10_000, "segments": "grid:20" }),
        ),
        ("extremal-perturbation", json!({})),
    ] {
        let body = about_picture(&json!({ "method": method, "options": options }));
        let why = server.post(EXPLAIN, &body).refused(504);
        assert!(why.contains("0.3 seconds"), "{method}: {why}");
        server.wait_for_queue("long", 0.0);
    }
}
