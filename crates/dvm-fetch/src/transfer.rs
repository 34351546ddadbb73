//! One attempt to download a file or its missing rest.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::http::{Response, header};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body, Timeout};

use crate::location::Location;
use crate::part::{Origin, Part, RangeRequest};
use crate::response::{Announced, ResponseHead, hint, is_temporary};
use crate::sha256::BLOCK;
use crate::{Address, Bounds, Event, FetchError, Proxies};

/// Why an attempt did not complete the file.
pub enum Failure {
    /// Another attempt may succeed, after the pause that the server asks for, if any.
    Temporary(FetchError, Option<Duration>),
    /// Another attempt would fail, too.
    Permanent(FetchError),
    /// The part on disk does not fit the file on the server: the download must start over.
    PartUnusable(&'static str),
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Permanent(error)
    }
}

/// What to download, and how.
pub struct Transfer<'a> {
    pub address: &'a Address<'a>,
    pub start: Location,
    pub bounds: &'a Bounds,
    pub proxies: &'a Proxies,
    pub tls: TlsConfig,
}

/// A response that is not a redirect, with what the hub announced before it.
struct FinalResponse {
    at: Location,
    head: ResponseHead,
    linked: Announced,
    body: Body,
}

impl Transfer<'_> {
    /// Requests what `part` lacks and appends it. What the hub announced about the file is then in the part's
    /// origin.
    pub fn run(&self, part: &mut Part, watch: &mut dyn FnMut(Event)) -> Result<(), Failure> {
        let url = self.start.uri().to_string();
        let rest = part.rest(&url, self.address.digits().is_some());
        if rest.is_none() && part.length() > 0 {
            part.restart()?;
        }
        let FinalResponse {
            at,
            head,
            linked,
            body,
        } = self.ask(rest.as_ref())?;
        let answers_wrong = |why: String| {
            let url = at.shown();
            Failure::Permanent(FetchError::InvalidResponse { url, why })
        };
        let gives = matches!(head.status, 200 | 206);
        // Checked before the part is restarted: the page may be gone the next time.
        if gives && head.is_page {
            return Err(Failure::Permanent(FetchError::WebPage { url: at.shown() }));
        }
        if gives && head.is_encoded {
            let why = "sends the file compressed, although dvm asked for it uncompressed";
            return Err(answers_wrong(why.into()));
        }
        let known = &part.origin().sha256;
        if part.length() > 0
            && linked.sha256.is_some()
            && known.is_some()
            && linked.sha256 != *known
        {
            return Err(Failure::PartUnusable("the publisher replaced the file"));
        }
        match head.status {
            200 if part.length() > 0 => {
                let why = "the file on the server has changed, or the server cannot resume";
                watch(Event::StartingOver { why });
                part.restart()?;
            }
            200 => {}
            206 => check_continues(part, &head)?,
            416 if part.length() > 0 => {
                let total = head.range.and_then(|range| range.total);
                return match total == Some(part.length()) {
                    // The part is complete; its checksum is compared next.
                    true => Ok(()),
                    false => Err(Failure::PartUnusable(
                        "the file on the server has another length",
                    )),
                };
            }
            status => {
                let url = at.shown();
                let hint = hint(status);
                let error = FetchError::Status { url, status, hint };
                return Err(match is_temporary(status) {
                    true => Failure::Temporary(error, head.pause),
                    false => Failure::Permanent(error),
                });
            }
        }
        let sent = head
            .length
            .map(|length| length.saturating_add(part.length()));
        if let (Some(sent), Some(announced)) = (sent, linked.bytes)
            && sent != announced
        {
            return Err(answers_wrong(format!(
                "sends a file of {sent} bytes, but announced {announced} bytes"
            )));
        }
        let total = sent.or(head.range.and_then(|r| r.total)).or(linked.bytes);
        if total.is_some_and(|total| total > self.bounds.most_bytes) {
            return Err(self.too_large(&at));
        }
        part.begin(Origin {
            url,
            validator: head.validator(),
            total,
            sha256: linked.sha256.or_else(|| part.origin().sha256.clone()),
        })?;
        self.receive(&at, body, part, total, watch)
    }

    /// Reads the body into the part.
    fn receive(
        &self,
        at: &Location,
        body: Body,
        part: &mut Part,
        total: Option<u64>,
        watch: &mut dyn FnMut(Event),
    ) -> Result<(), Failure> {
        let mut reader = body.into_reader();
        let mut block = vec![0; BLOCK];
        let (mut since, mut bytes) = (Instant::now(), 0);
        let mut received = |bytes| watch(Event::Received { bytes, total });
        received(part.length());
        loop {
            let read = match reader.read(&mut block) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.interrupted(at, error, part, total)),
            };
            if part.length() == 0 && looks_like_a_page(&block[..read]) {
                return Err(Failure::Permanent(FetchError::WebPage { url: at.shown() }));
            }
            if part.length() + read as u64 > self.bounds.most_bytes {
                return Err(self.too_large(at));
            }
            part.append(&block[..read])?;
            received(part.length());
            bytes += read as u64;
            if since.elapsed() >= self.bounds.stall {
                if bytes < self.bounds.least_bytes_per_stall {
                    return Err(self.stalled(at));
                }
                (since, bytes) = (Instant::now(), 0);
            }
        }
        match total {
            Some(total) if part.length() < total => Err(cut(at, part, Some(total))),
            _ if part.length() == 0 => Err(Failure::Permanent(FetchError::InvalidResponse {
                url: at.shown(),
                why: "sends an empty file".into(),
            })),
            _ => Ok(()),
        }
    }

    /// Sends the request and follows redirects.
    fn ask(&self, rest: Option<&RangeRequest>) -> Result<FinalResponse, Failure> {
        let mut at = self.start.clone();
        let mut linked = Announced::default();
        let is_hub = matches!(self.address, Address::HuggingFace { .. });
        for _ in 0..=self.bounds.redirects {
            let response = self.call(&at, rest)?;
            let head = ResponseHead::of(response.status(), response.headers());
            if is_hub {
                // The first response counts: the hub's, not its storage's.
                linked.sha256 = linked.sha256.or_else(|| head.linked.sha256.clone());
                linked.bytes = linked.bytes.or(head.linked.bytes);
            }
            if !head.is_redirect() {
                if is_hub && matches!(head.status, 200 | 206) {
                    linked.sha256 = linked.sha256.or_else(|| head.tag_as_sha256());
                }
                let body = response.into_body();
                return Ok(FinalResponse {
                    at,
                    head,
                    linked,
                    body,
                });
            }
            let to = head.location.ok_or_else(|| FetchError::InvalidResponse {
                url: at.shown(),
                why: "redirects without a URL".into(),
            })?;
            let next = at.redirected(&to);
            at = next.map_err(|why| FetchError::Redirect {
                url: at.shown(),
                to: to.split('?').next().unwrap_or_default().into(),
                why,
            })?;
        }
        Err(Failure::Permanent(FetchError::Redirects {
            url: self.start.shown(),
            most: self.bounds.redirects,
        }))
    }

    /// One request.
    fn call(&self, at: &Location, rest: Option<&RangeRequest>) -> Result<Response<Body>, Failure> {
        let proxy = self.proxies.of(at).map_err(|why| FetchError::Unreachable {
            url: at.shown(),
            why,
        })?;
        let proxied = proxy.as_ref().map(|p| format!("{}:{}", p.host(), p.port()));
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(self.tls.clone())
            .user_agent(concat!("dvm/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(self.bounds.connecting))
            .timeout_connect(Some(self.bounds.connecting))
            .timeout_send_request(Some(self.bounds.stall))
            .timeout_recv_response(Some(self.bounds.stall))
            .timeout_per_read(Some(self.bounds.stall))
            .build()
            .into();
        let mut request = agent
            .get(at.uri())
            .header(header::ACCEPT_ENCODING, "identity");
        if let Some(rest) = rest {
            request = request.header(header::RANGE, format!("bytes={}-", rest.from));
            if let Some(only_if) = &rest.only_if {
                request = request.header(header::IF_RANGE, only_if);
            }
        }
        request
            .call()
            .map_err(|error| self.no_response(at, error, proxied.as_deref()))
    }

    /// The failure of a request without a response.
    fn no_response(&self, at: &Location, error: ureq::Error, proxy: Option<&str>) -> Failure {
        let url = at.shown();
        let through = proxy.map_or(String::new(), |proxy| format!(" through the proxy {proxy}"));
        let unreachable = |why: String| FetchError::Unreachable {
            url: format!("{url}{through}"),
            why,
        };
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                let seconds = self.bounds.connecting.as_secs_f64();
                Failure::Temporary(
                    unreachable(format!("no connection within {seconds} s")),
                    None,
                )
            }
            ureq::Error::Timeout(_) => self.stalled(at),
            ureq::Error::HostNotFound => {
                Failure::Temporary(unreachable("the host is not known".into()), None)
            }
            // Untrusted certificates are reported as invalid data.
            ureq::Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
                Failure::Temporary(unreachable(error.to_string()), None)
            }
            ureq::Error::ConnectionFailed => {
                Failure::Temporary(unreachable("the connection failed".into()), None)
            }
            ureq::Error::Protocol(why) => Failure::Permanent(FetchError::InvalidResponse {
                url,
                why: format!("the server violates the HTTP protocol: {why}"),
            }),
            ureq::Error::LargeResponseHeader(..) => {
                Failure::Permanent(FetchError::InvalidResponse {
                    url,
                    why: "sends too many headers".into(),
                })
            }
            ureq::Error::ConnectProxyFailed(why) => Failure::Permanent(unreachable(why)),
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Io(_) => {
                Failure::Permanent(unreachable(format!(
                    "{error}; if a proxy decrypts connections, set SSL_CERT_FILE to a file with its certificate"
                )))
            }
            error => Failure::Permanent(unreachable(error.to_string())),
        }
    }

    /// The failure of a body that ends early.
    fn interrupted(
        &self,
        at: &Location,
        error: io::Error,
        part: &Part,
        total: Option<u64>,
    ) -> Failure {
        match ureq::Error::from(error) {
            ureq::Error::Timeout(_) => self.stalled(at),
            ureq::Error::Protocol(why) => Failure::Temporary(
                FetchError::InvalidResponse {
                    url: at.shown(),
                    why: format!("the server violates the HTTP protocol: {why}"),
                },
                None,
            ),
            _ => cut(at, part, total),
        }
    }

    fn stalled(&self, at: &Location) -> Failure {
        let error = FetchError::Stalled {
            url: at.shown(),
            seconds: self.bounds.stall.as_secs_f64(),
        };
        Failure::Temporary(error, None)
    }

    fn too_large(&self, at: &Location) -> Failure {
        Failure::Permanent(FetchError::TooLarge {
            url: at.shown(),
            most: self.bounds.most_bytes,
        })
    }
}

/// Checks that a partial response continues the part.
fn check_continues(part: &Part, head: &ResponseHead) -> Result<(), Failure> {
    let range = head.range;
    if part.length() == 0 || range.and_then(|r| r.first) != Some(part.length()) {
        return Err(Failure::PartUnusable(
            "the server sends another part than requested",
        ));
    }
    let changed = Failure::PartUnusable("the file on the server has changed");
    let (total, before) = (range.and_then(|r| r.total), part.origin().total);
    if total.is_some() && before.is_some() && total != before {
        return Err(changed);
    }
    let before = part.origin().validator.as_deref();
    let before = before.filter(|validator| validator.starts_with('"'));
    match (&head.tag, before) {
        // Another server may have another tag for the same file; such a request had no condition.
        (Some(now), Some(before)) if now != before => Err(changed),
        _ => Ok(()),
    }
}

fn cut(at: &Location, part: &Part, total: Option<u64>) -> Failure {
    let error = FetchError::Cut {
        url: at.shown(),
        received: part.length(),
        of: total.map_or(String::new(), |total| format!(" of {total}")),
    };
    Failure::Temporary(error, None)
}

/// Whether a file begins like a web page or XML; no weight file begins with `<`.
fn looks_like_a_page(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().starts_with(b"<")
}
