//! Metrics for Prometheus.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{Lane, Problem, Server};

/// The metrics of a server.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    queue: Family<InLane, Gauge>,
    refused: Counter,
    /// Requests that are in progress.
    pub(crate) in_flight: Gauge,
    engine: Family<Method, Counter<f64, AtomicU64>>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InLane {
    lane: Lane,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

impl std::hash::Hash for Lane {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (*self as u8).hash(state);
    }
}

impl EncodeLabelValue for Lane {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        encoder.write_str(match self {
            Self::Short => "short",
            Self::Long => "long",
        })
    }
}

/// Upper bounds of the histogram, in seconds.
const BOUNDS: [f64; 14] = [
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

impl Metrics {
    /// All counters at 0.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("dvm");
        let seconds: Family<Route, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BOUNDS));
        let metrics = Self {
            requests: Family::default(),
            seconds,
            queue: Family::default(),
            refused: Counter::default(),
            in_flight: Gauge::default(),
            engine: Family::default(),
            registry: Registry::default(),
        };
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        registry.register(
            "http_requests",
            "Answered requests",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time until the first byte of the response",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests in progress",
            metrics.in_flight.clone(),
        );
        registry.register(
            "queue_length",
            "Requests that wait for the engine or use it",
            metrics.queue.clone(),
        );
        registry.register(
            "queue_refused",
            "Requests refused because the queue was full",
            metrics.refused.clone(),
        );
        registry.register_with_unit(
            "engine",
            "Time of the engine by method; `classify` for predictions",
            Unit::Seconds,
            metrics.engine.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }

    /// Counts an answer. `route` is a route of the server, not the client's path.
    pub(crate) fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        let answer = Answer {
            route: route.to_owned(),
            method: method.to_owned(),
            status,
        };
        self.requests.get_or_create(&answer).inc();
        if status == 429 {
            self.refused.inc();
        }
        let route = Route {
            route: route.to_owned(),
        };
        self.seconds
            .get_or_create(&route)
            .observe(took.as_secs_f64());
    }

    /// Counts the engine's time for a method.
    pub fn worked(&self, method: &'static str, took: Duration) {
        let method = Method { method };
        self.engine
            .get_or_create(&method)
            .inc_by(took.as_secs_f64());
    }

    /// The metrics as text, with the current lengths of the queue.
    fn text(&self, server: &Server) -> Result<String, fmt::Error> {
        for lane in [Lane::Short, Lane::Long] {
            let length = i64::try_from(server.queue.length(lane)).unwrap_or(i64::MAX);
            self.queue.get_or_create(&InLane { lane }).set(length);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// `/metrics`
pub async fn text(State(server): State<Arc<Server>>) -> Response {
    const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match server.metrics.text(&server) {
        Ok(text) => ([(header::CONTENT_TYPE, KIND)], text).into_response(),
        Err(error) => Problem::internal(error.to_string()).into_response(),
    }
}
