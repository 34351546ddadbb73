//! Request ids, metrics and log lines of all requests.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::Server;

/// The header with the id of a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Ids count up from a random number, so that ids of two runs differ.
static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| {
    let mut start = [0; 8];
    // Without random numbers, two runs have the same ids; that is harmless.
    let _ = getrandom::fill(&mut start);
    AtomicU64::new(u64::from_le_bytes(start))
});

/// Routes that are requested often: only their errors are logged.
const QUIET: [&str; 5] = [
    "/api/window",
    "/health",
    "/metrics",
    "/v2/health/live",
    "/v2/health/ready",
];

/// The maximum length of a client's id.
const LONGEST: usize = 64;

/// Counts a request while it is answered.
struct InFlight<'a>(&'a Server);

impl<'a> InFlight<'a> {
    fn new(server: &'a Server) -> Self {
        server.metrics.in_flight.inc();
        Self(server)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}

/// Gives the request an id, counts it, and logs it.
pub async fn observe(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let id = id(&request);
    let span = tracing::info_span!("request", id);
    let answer = async {
        let start = Instant::now();
        let in_flight = InFlight::new(&server);
        let method = known(request.method());
        let path = request.uri().path().to_owned();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let mut response = next.run(request).await;
        drop(in_flight);
        let status = response.status().as_u16();
        let took = start.elapsed();
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        let verb = verb(route, &path);
        let route = format!("{route}{verb}");
        server.metrics.answered(&route, method, status, took);
        let milliseconds = took.as_micros() as f64 / 1000.0;
        let path: String = path.chars().take(200).collect();
        if status >= 500 {
            tracing::warn!(method, path, status, milliseconds, "answered");
        } else if status >= 400 || !QUIET.contains(&&route[..]) {
            tracing::info!(method, path, status, milliseconds, "answered");
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    };
    answer.instrument(span).await
}

/// The name of a known method, so that clients cannot create metrics labels.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::DELETE => "DELETE",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// The verb of V1 (`:predict`), which is not part of the route.
fn verb(route: &str, path: &str) -> &'static str {
    let mut verbs = [":predict", ":explain"].into_iter();
    let verb = verbs.find(|verb| route == "/v1/models/{model}" && path.ends_with(verb));
    verb.unwrap_or_default()
}

/// The client's own id, or a new one.
fn id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID);
    let given = given.and_then(|value| value.to_str().ok());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match given.filter(|id| (1..=LONGEST).contains(&id.len()) && id.chars().all(is_plain)) {
        Some(id) => id.to_owned(),
        None => format!("{:016x}", NEXT.fetch_add(1, Ordering::Relaxed)),
    }
}
