//! `dvm serve`: options, tokens, signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{dvm, program, text};

/// A server with the fastest network.
const QUICK: &str = "--model squeezenet1_1 --port 0 --log none";

/// A running server, with its line of JSON.
struct Serving {
    child: Child,
    ready: Value,
}

impl Serving {
    fn new(command: &mut Command) -> Self {
        let mut serving = Self {
            child: command.stdout(Stdio::piped()).spawn().unwrap(),
            ready: Value::Null,
        };
        let mut lines = BufReader::new(serving.child.stdout.take().unwrap()).lines();
        let mut printed = String::new();
        while serving.ready.is_null() {
            printed += &lines.next().expect("it prints where it is").unwrap();
            serving.ready = serde_json::from_str(&printed).unwrap_or_default();
        }
        serving
    }

    fn connect(&self) -> TcpStream {
        let address = self.ready["address"].as_str().unwrap();
        let stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).unwrap();
        stream
    }

    /// Sends a request and returns the answer.
    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str, header: &str) -> String {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}Connection: close\r\n\r\n"
        ))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(arguments: &[&str]) -> Command {
    let mut command = program(&[&["serve", QUICK], arguments].concat());
    command.env_remove("DVM_TOKEN");
    command
}

#[test]
fn a_public_address_needs_a_token() {
    let open = crate::Run::of(serve(&["--listen 0.0.0.0"]).env("DVM_TOKEN", "")).exits(2);
    for word in [
        "other machines can reach 0.0.0.0",
        "--token-file",
        "DVM_TOKEN",
    ] {
        open.says(word);
    }
    crate::Run::of(serve(&[]).env("DVM_TOKEN", "short"))
        .exits(2)
        .says("at least 16 characters");
}

#[test]
fn the_token_comes_from_a_file_or_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "of-the-file-0123456789\n").unwrap();
    let arguments = ["--listen 0.0.0.0 --json --token-file", text(&file)];
    // The file overrides the environment variable.
    let server = Serving::new(serve(&arguments).env("DVM_TOKEN", "of-the-environment-0"));
    assert_eq!(server.ready["token"], true);
    let models =
        |token: &str| server.get("/v1/models", &format!("Authorization: Bearer {token}\r\n"));
    // A server on all addresses can be reached on the local one.
    let address = server.ready["address"].as_str().unwrap();
    assert!(!address.ends_with(":0"), "{address}");
    assert!(models("of-the-file-0123456789").ends_with(r#"{"models":["squeezenet1_1"]}"#));
    assert!(models("of-the-environment-0").starts_with("HTTP/1.1 401"));
    let server = Serving::new(serve(&["--json"]).env("DVM_TOKEN", "of-the-environment-0"));
    let header = "Authorization: Bearer of-the-environment-0\r\n";
    assert!(server.get("/v1/models", header).starts_with("HTTP/1.1 200"));
    assert!(server.get("/v1/models", "").starts_with("HTTP/1.1 401"));
}

#[test]
fn options_of_a_network_need_a_single_network() {
    let two = "--model squeezenet1_1 --model efficientnet_lite0";
    for option in [
        "--classes names.txt",
        "--size 128",
        "--output logits",
        "--part ema",
    ] {
        dvm(&["serve", two, option])
            .exits(2)
            .says("need a single --model");
    }
}

#[test]
fn a_used_port_is_an_error_that_names_the_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = dvm(&["serve", "--model squeezenet1_1 --port", &port]).exits(2);
    run.says("cannot listen on 127.0.0.1");
    run.says("--port");
}

#[cfg(unix)]
#[test]
fn a_server_finishes_its_requests_after_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Serving::new(&mut serve(&["--json --allow-host explain.example.org"]));
        let numbers = format!("[{}]", vec!["0.5"; 224].join(","));
        let channel = format!("[{}]", vec![&numbers[..]; 224].join(","));
        let body = format!(
            "{{\"instances\": [[{channel},{channel},{channel}]], \"parameters\": {{\"method\": \"occlusion\", \
             \"options\": {{\"stride\": 12}}}}}}"
        );
        let mut stream = server.connect();
        let head = format!(
            "POST /v1/models/squeezenet1_1:explain HTTP/1.1\r\nHost: explain.example.org\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        while !server
            .get("/metrics", "")
            .contains("dvm_queue_length{lane=\"long\"} 1")
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        crate::send(signal, &server.child);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.300}");
        assert!(answer.ends_with("}]}"), "the whole of the answer");
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}
