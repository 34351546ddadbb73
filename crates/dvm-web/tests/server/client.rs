//! A server on a free port, and a minimal HTTP client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use dvm::{Classifier, Input, Picture, Reading, Source, encode_png};
use dvm_web::server::{Config, Limits, Log, serve_until};
use serde_json::{Value, json};

/// The addresses of V1 for the network `net`.
pub const PREDICT: &str = "/v1/models/net:predict";
pub const EXPLAIN: &str = "/v1/models/net:explain";
/// The header of a body in JSON.
pub const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The network of all tests.
pub static NETWORK: LazyLock<Arc<Classifier>> =
    LazyLock::new(|| Arc::new(Classifier::open("squeezenet1_1", None).unwrap()));

/// A server that is stopped when it is dropped.
pub struct Running {
    pub address: SocketAddr,
    is_asked_to_end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The usual configuration of tests: the network `net`.
pub fn config() -> Config {
    Config {
        models: vec![("net".into(), NETWORK.clone())],
        listen: ([127, 0, 0, 1], 0).into(),
        token: None,
        limits: Limits::default(),
        origins: Vec::new(),
        hosts: Vec::new(),
        log: Log::None,
    }
}

/// A server with these limits.
pub fn limited(change: impl FnOnce(&mut Limits)) -> Running {
    let mut config = config();
    change(&mut config.limits);
    Running::new(config)
}

impl Running {
    pub fn new(config: Config) -> Self {
        let is_asked_to_end = Arc::new(AtomicBool::new(false));
        let asked = is_asked_to_end.clone();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let ready = |address| tell.send(address).unwrap();
            serve_until(config, ready, || asked.load(Ordering::Relaxed)).unwrap();
        });
        Self {
            address: told.recv().unwrap(),
            is_asked_to_end,
            thread: Some(thread),
        }
    }

    /// Asks the server to stop.
    pub fn end(&self) {
        self.is_asked_to_end.store(true, Ordering::Relaxed);
    }

    /// Waits until the server has stopped.
    pub fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }

    /// Sends bytes and reads the answer.
    pub fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // The server may have refused the request before reading all of it.
        let _ = stream.write_all(request);
        Answer::read(stream)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[JSON], body.to_string().as_bytes())
    }

    /// Sends a request for an explanation, without reading the answer.
    pub fn start(&self, body: &Value) -> TcpStream {
        let mut stream = self.connect();
        let request = request("POST", EXPLAIN, &[JSON], body.to_string().as_bytes());
        stream.write_all(&request).unwrap();
        stream
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.raw(&request(method, path, headers, body))
    }

    /// The value of the line of the metrics that starts like this; 0 without such a line.
    pub fn metric(&self, line: &str) -> f64 {
        let text = self.get("/metrics").text();
        let found = text.lines().find(|found| found.starts_with(line));
        let number = found.and_then(|found| found.rsplit(' ').next());
        number.map_or(0.0, |number| number.parse().unwrap())
    }

    /// Waits until this is true, at most half a minute.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < Duration::from_secs(30), "{what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until this number of requests is in the lane.
    pub fn wait_for_queue(&self, lane: &str, length: f64) {
        let line = format!("dvm_queue_length{{lane=\"{lane}\"}}");
        self.wait_until(&format!("{lane} {length}"), |server| {
            server.metric(&line) == length
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A request as bytes.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head += "Host: localhost\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if method != "GET" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut request = (head + "\r\n").into_bytes();
    request.extend_from_slice(body);
    request
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads until the server closes the connection. Status 0 means no answer.
    pub fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // The connection may be reset after the answer.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else {
            return Self {
                status: 0,
                headers: Vec::new(),
                body: bytes,
            };
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        });
        Self {
            status: status.parse().unwrap(),
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known == name)?;
        Some(value)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The text of an error; checks its status.
    #[track_caller]
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()["error"].as_str().unwrap().to_owned()
    }

    /// Checks that the request was wrong, and that the error contains these words.
    #[track_caller]
    pub fn is_wrong(&self, words: &str) {
        let error = self.refused(400);
        assert!(error.contains(words), "{words}: {error}");
    }

    /// The JSON of a successful answer.
    #[track_caller]
    pub fn accepted(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }
}

/// A picture of many colours as a PNG file.
pub fn picture() -> Vec<u8> {
    let (height, width) = (40, 60);
    let pixels = (0..height * width).flat_map(|i| {
        let (y, x) = (i / width, i % width);
        [(y * 6) as u8, (x * 4) as u8, (x * y % 256) as u8]
    });
    encode_png(&Picture::new(height, width, pixels.collect()))
}

/// The network's input for this picture.
pub fn input() -> Input {
    let source = Source::Bytes {
        name: "a".into(),
        bytes: picture().into(),
    };
    let picture = source.read(&Reading::default()).unwrap();
    NETWORK.prepare(picture).unwrap()
}

/// A file as an instance of V1.
pub fn instance(file: &[u8]) -> Value {
    json!({ "b64": BASE64_STANDARD.encode(file) })
}

/// A request to V1 about the picture.
pub fn about_picture(parameters: &Value) -> Value {
    json!({ "instances": [instance(&picture())], "parameters": parameters })
}

/// A request to V1 for a map that takes minutes with a stride of 1, and some seconds with 10.
pub fn occlusion(stride: usize) -> Value {
    let options = json!({ "stride": stride, "window": 31 });
    about_picture(&json!({ "method": "occlusion", "options": options }))
}

pub fn endless() -> Value {
    occlusion(1)
}

pub fn long() -> Value {
    occlusion(10)
}
