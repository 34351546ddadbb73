//! An HTTP server for tests, which can send wrong answers, stall and hang up.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, or `CONNECT` for a proxy.
    pub method: String,
    /// The path.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map(|(_, v)| &v[..])
    }

    /// The first byte of the requested range.
    pub fn from(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// What the server does next. It hangs up after the last step.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Waits.
    Wait(Duration),
}

/// Status line, headers and body.
pub fn reply(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<Step> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "connection: close\r\n\r\n";
    vec![Step::Say(head.into_bytes()), Step::Say(body.to_vec())]
}

/// A complete body with its length and these headers.
pub fn whole(body: &[u8], headers: &[(&str, &str)]) -> Vec<Step> {
    let length = body.len().to_string();
    let headers = [&[("content-length", &length[..])], headers].concat();
    reply("200 OK", &headers, body)
}

/// The body from byte `from` on, with these headers.
pub fn rest(body: &[u8], from: usize, headers: &[(&str, &str)]) -> Vec<Step> {
    let length = (body.len() - from).to_string();
    let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
    let own = [("content-length", &length[..]), ("content-range", &range)];
    reply(
        "206 Partial Content",
        &[&own, headers].concat(),
        &body[from..],
    )
}

/// A redirect.
pub fn redirect(location: &str) -> Vec<Step> {
    let headers = [("location", location), ("content-length", "0")];
    reply("302 Found", &headers, b"")
}

/// The server; it ends with the test.
pub struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers each request; `answer` also gets the number of earlier ones.
    pub fn new(answer: impl Fn(&Asked, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                // A client that hangs up early is not an error.
                thread::spawn(move || serve(stream.ok()?, &log, &*answer));
            }
        });
        Self { port, asked }
    }

    /// Its URL, with a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked, usize) -> Vec<Step>,
) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let line = lines.next()?.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let asked = Asked {
        method,
        path,
        headers,
    };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    for step in answer(&asked, before) {
        match step {
            Step::Say(bytes) => stream.write_all(&bytes).ok()?,
            Step::Wait(duration) => thread::sleep(duration),
        }
    }
    // Closing before the client has read everything would reset the connection.
    stream.shutdown(Shutdown::Write).ok()?;
    let patience = Some(Duration::from_millis(200));
    stream.set_read_timeout(patience).ok()?;
    std::io::copy(&mut stream, &mut std::io::sink()).ok()?;
    Some(())
}
