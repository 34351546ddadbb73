//! One attempt to bring a file, or what is missing of it.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::http::{Response, header};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body, Timeout};

use crate::answer::{Announced, Answer, hint, is_passing};
use crate::location::Location;
use crate::part::{Origin, Part, Rest};
use crate::sha256::BLOCK;
use crate::{Address, Bounds, Event, FetchError, Proxies};

/// Why an attempt did not bring the whole file.
pub enum Problem {
    /// Another attempt may, perhaps after a pause that the server asks for.
    Passing(FetchError, Option<Duration>),
    /// None will.
    Final(FetchError),
    /// What is here does not go with what is there: it must begin anew.
    Stale(&'static str),
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        Self::Final(error)
    }
}

/// Whom to ask, and how.
pub struct Transfer<'a> {
    pub address: &'a Address<'a>,
    pub start: Location,
    pub bounds: &'a Bounds,
    pub proxies: &'a Proxies,
    pub tls: TlsConfig,
}

/// An answer with what was announced on the way to it.
struct Found {
    at: Location,
    answer: Answer,
    linked: Announced,
    body: Body,
}

impl Transfer<'_> {
    /// Asks for what `part` lacks and adds what comes. What the hub announced about the file is in the
    /// part's origin afterwards.
    pub fn run(&self, part: &mut Part, watch: &mut dyn FnMut(Event)) -> Result<(), Problem> {
        let url = self.start.uri().to_string();
        let rest = part.rest(&url, self.address.digits().is_some());
        if rest.is_none() && part.length() > 0 {
            part.restart()?;
        }
        let Found {
            at,
            answer,
            linked,
            body,
        } = self.ask(rest.as_ref())?;
        let answers_wrong = |why: String| {
            let url = at.shown();
            Problem::Final(FetchError::Answer { url, why })
        };
        let gives = matches!(answer.status, 200 | 206);
        // Before anything is forgotten for it: the page may be gone the next time.
        if gives && answer.is_page {
            return Err(Problem::Final(FetchError::WebPage { url: at.shown() }));
        }
        if gives && answer.is_encoded {
            let why = "sends the file compressed, which was not asked for";
            return Err(answers_wrong(why.into()));
        }
        let known = &part.origin().sha256;
        if part.length() > 0
            && linked.sha256.is_some()
            && known.is_some()
            && linked.sha256 != *known
        {
            return Err(Problem::Stale("the publisher replaced the file"));
        }
        match answer.status {
            200 if part.length() > 0 => {
                let why = "the file there was changed, or the server sends it only whole";
                watch(Event::StartingOver { why });
                part.restart()?;
            }
            200 => {}
            206 => goes_on(part, &answer)?,
            416 if part.length() > 0 => {
                let total = answer.range.and_then(|range| range.total);
                return match total == Some(part.length()) {
                    // All of it is here; its checksum will tell.
                    true => Ok(()),
                    false => Err(Problem::Stale("the file there has another length")),
                };
            }
            status => {
                let url = at.shown();
                let hint = hint(status);
                let error = FetchError::Status { url, status, hint };
                return Err(match is_passing(status) {
                    true => Problem::Passing(error, answer.pause),
                    false => Problem::Final(error),
                });
            }
        }
        let sent = answer
            .length
            .map(|length| length.saturating_add(part.length()));
        if let (Some(sent), Some(announced)) = (sent, linked.bytes)
            && sent != announced
        {
            return Err(answers_wrong(format!(
                "sends a file of {sent} bytes where one of {announced} was announced"
            )));
        }
        let total = sent.or(answer.range.and_then(|r| r.total)).or(linked.bytes);
        if total.is_some_and(|total| total > self.bounds.most_bytes) {
            return Err(self.too_large(&at));
        }
        part.begin(Origin {
            url,
            validator: answer.validator(),
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
    ) -> Result<(), Problem> {
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
                return Err(Problem::Final(FetchError::WebPage { url: at.shown() }));
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
            _ if part.length() == 0 => Err(Problem::Final(FetchError::Answer {
                url: at.shown(),
                why: "sends an empty file".into(),
            })),
            _ => Ok(()),
        }
    }

    /// Asks, and asks where it is sent to, until somebody answers with something else.
    fn ask(&self, rest: Option<&Rest>) -> Result<Found, Problem> {
        let mut at = self.start.clone();
        let mut linked = Announced::default();
        let is_hub = matches!(self.address, Address::HuggingFace { .. });
        for _ in 0..=self.bounds.redirects {
            let response = self.call(&at, rest)?;
            let answer = Answer::of(response.status(), response.headers());
            if is_hub {
                // Who is asked first knows best: the hub, not its storage.
                linked.sha256 = linked.sha256.or_else(|| answer.linked.sha256.clone());
                linked.bytes = linked.bytes.or(answer.linked.bytes);
            }
            if !answer.is_redirect() {
                if is_hub && matches!(answer.status, 200 | 206) {
                    linked.sha256 = linked.sha256.or_else(|| answer.tag_as_sha256());
                }
                let body = response.into_body();
                return Ok(Found {
                    at,
                    answer,
                    linked,
                    body,
                });
            }
            let to = answer.location.ok_or_else(|| FetchError::Answer {
                url: at.shown(),
                why: "redirects without saying where to".into(),
            })?;
            let next = at.redirected(&to);
            at = next.map_err(|why| FetchError::Redirect {
                url: at.shown(),
                to: to.split('?').next().unwrap_or_default().into(),
                why,
            })?;
        }
        Err(Problem::Final(FetchError::Redirects {
            url: self.start.shown(),
            most: self.bounds.redirects,
        }))
    }

    /// One request, one answer.
    fn call(&self, at: &Location, rest: Option<&Rest>) -> Result<Response<Body>, Problem> {
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
            .map_err(|error| self.unanswered(at, error, proxied.as_deref()))
    }

    /// What it means that there is no answer.
    fn unanswered(&self, at: &Location, error: ureq::Error, proxy: Option<&str>) -> Problem {
        let url = at.shown();
        let through = proxy.map_or(String::new(), |proxy| format!(" through the proxy {proxy}"));
        let unreachable = |why: String| FetchError::Unreachable {
            url: format!("{url}{through}"),
            why,
        };
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                let seconds = self.bounds.connecting.as_secs_f64();
                Problem::Passing(
                    unreachable(format!("no connection within {seconds} s")),
                    None,
                )
            }
            ureq::Error::Timeout(_) => self.stalled(at),
            ureq::Error::HostNotFound => {
                Problem::Passing(unreachable("no host of this name is known".into()), None)
            }
            // A certificate that is not trusted comes as invalid data.
            ureq::Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
                Problem::Passing(unreachable(error.to_string()), None)
            }
            ureq::Error::ConnectionFailed => {
                Problem::Passing(unreachable("the connection failed".into()), None)
            }
            ureq::Error::Protocol(why) => Problem::Final(FetchError::Answer {
                url,
                why: format!("does not speak HTTP as it should: {why}"),
            }),
            ureq::Error::LargeResponseHeader(..) => Problem::Final(FetchError::Answer {
                url,
                why: "sends headers without end".into(),
            }),
            ureq::Error::ConnectProxyFailed(why) => Problem::Final(unreachable(why)),
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Io(_) => {
                Problem::Final(unreachable(format!(
                    "{error}; behind a proxy that reads along, SSL_CERT_FILE must name a file with \
                     its certificate"
                )))
            }
            error => Problem::Final(unreachable(error.to_string())),
        }
    }

    /// What it means that a body does not go on.
    fn interrupted(
        &self,
        at: &Location,
        error: io::Error,
        part: &Part,
        total: Option<u64>,
    ) -> Problem {
        match ureq::Error::from(error) {
            ureq::Error::Timeout(_) => self.stalled(at),
            ureq::Error::Protocol(why) => Problem::Passing(
                FetchError::Answer {
                    url: at.shown(),
                    why: format!("does not speak HTTP as it should: {why}"),
                },
                None,
            ),
            _ => cut(at, part, total),
        }
    }

    fn stalled(&self, at: &Location) -> Problem {
        let error = FetchError::Stalled {
            url: at.shown(),
            seconds: self.bounds.stall.as_secs_f64(),
        };
        Problem::Passing(error, None)
    }

    fn too_large(&self, at: &Location) -> Problem {
        Problem::Final(FetchError::TooLarge {
            url: at.shown(),
            most: self.bounds.most_bytes,
        })
    }
}

/// Whether a partial answer continues what is here.
fn goes_on(part: &Part, answer: &Answer) -> Result<(), Problem> {
    let range = answer.range;
    if part.length() == 0 || range.and_then(|r| r.first) != Some(part.length()) {
        return Err(Problem::Stale(
            "the server sends another part than was asked for",
        ));
    }
    let changed = Problem::Stale("the file there was changed");
    let (total, before) = (range.and_then(|r| r.total), part.origin().total);
    if total.is_some() && before.is_some() && total != before {
        return Err(changed);
    }
    let before = part.origin().validator.as_deref();
    let before = before.filter(|validator| validator.starts_with('"'));
    match (&answer.tag, before) {
        // Another server's tag for the same file may differ; then there was no condition either.
        (Some(now), Some(before)) if now != before => Err(changed),
        _ => Ok(()),
    }
}

fn cut(at: &Location, part: &Part, total: Option<u64>) -> Problem {
    let error = FetchError::Cut {
        url: at.shown(),
        received: part.length(),
        of: total.map_or(String::new(), |total| format!(" of {total}")),
    };
    Problem::Passing(error, None)
}

/// Whether a file begins as web pages and XML do; no weight file begins with a `<`.
fn looks_like_a_page(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().starts_with(b"<")
}
