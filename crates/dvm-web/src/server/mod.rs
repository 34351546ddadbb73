//! The HTTP server: queue, limits, access control, metrics and logs.

mod body;
mod connections;
mod gate;
mod json;
mod limits;
mod log;
mod metrics;
mod observed;
mod page;
mod problem;
mod queue;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json as AxumJson, Router};
use dvm::{Classifier, system_words};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use gate::Gate;
pub use json::{Json, parse as parse_json};
pub use limits::Limits;
pub use log::Log;
pub use metrics::Metrics;
pub use problem::Problem;
pub use queue::{Lane, Place, Queue, Ticket};

use crate::models::Models;
use crate::{api, kserve};

/// The configuration of a server.
pub struct Config {
    /// The networks with their names.
    pub models: Vec<(String, Arc<Classifier>)>,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The token of clients; required unless the address is loopback.
    pub token: Option<String>,
    /// Limits of requests.
    pub limits: Limits,
    /// Origins of other sites whose pages may use the server: `https://example.org`.
    pub origins: Vec<String>,
    /// Host names that are allowed besides `localhost` and addresses.
    pub hosts: Vec<String>,
    /// How requests are logged.
    pub log: Log,
}

impl Config {
    /// The names of the networks in requests.
    pub fn names(&self) -> Vec<String> {
        let given = self.models.iter().map(|(name, _)| &name[..]);
        Models::names(given)
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not of this machine, or is in use.
    #[error(
        "cannot listen on {address}: {}; choose another address or port",
        system_words(source)
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Other machines can reach the address, but there is no token.
    #[error(
        "a token is needed, because other machines can reach {0} and could use this machine and see its pictures"
    )]
    Open(IpAddr),
    /// The token is invalid.
    #[error("the token {0}")]
    Token(&'static str),
    /// The text is not an origin.
    #[error("`{0}` is not an origin; write a scheme and a host, such as https://example.org")]
    Origin(String),
    /// There are no networks.
    #[error("there are no networks to serve; give at least one model")]
    NoModels,
    /// The operating system does not start threads.
    #[error("cannot start the server's threads: {}", system_words(.0))]
    Threads(std::io::Error),
}

/// The state that all requests share.
pub struct Server {
    /// The networks.
    pub models: Models,
    /// The queue for the engine.
    pub queue: Queue,
    /// Limits of requests.
    pub limits: Limits,
    /// The metrics.
    pub metrics: Metrics,
    /// Pictures and explanations of the page.
    pub session: api::Session,
    gate: Gate,
    bodies: body::Bodies,
}

impl Server {
    /// Makes a server, which does not listen yet.
    ///
    /// # Errors
    /// [`Error`] for an invalid or unsafe configuration.
    pub fn new(config: Config) -> Result<Self, Error> {
        let Config {
            models,
            listen,
            token,
            limits,
            origins,
            hosts,
            log: _,
        } = config;
        if models.is_empty() {
            return Err(Error::NoModels);
        }
        if token.is_none() && !listen.ip().is_loopback() {
            return Err(Error::Open(listen.ip()));
        }
        Ok(Self {
            models: Models::new(models, &limits),
            queue: Queue::new(&limits),
            metrics: Metrics::new(),
            session: api::Session::new(&limits),
            gate: Gate::new(token, origins, hosts)?,
            bodies: body::Bodies::default(),
            limits,
        })
    }
}

/// The OpenAPI description.
#[derive(OpenApi)]
#[openapi(info(
    title = "Deep Vision Mask",
    description = "Predictions of image classifiers, and maps of what they look at."
))]
struct Description;

/// All routes: page, `/api`, KServe's protocols, metrics, with all layers.
pub fn router(server: Arc<Server>) -> Router {
    let described = OpenApiRouter::with_openapi(Description::openapi());
    let (own, description) = described.merge(api::routes()).split_for_parts();
    let description = AxumJson(description);
    let behind_token = own
        .route("/openapi.json", get(move || async { description }))
        .route("/metrics", get(metrics::text))
        .merge(kserve::routes())
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        // The server's own limits apply to bodies, before this.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(server.clone(), body::receive))
        .layer(from_fn_with_state(server.clone(), gate::token));
    let open = Router::new()
        .route("/health", get(health))
        .merge(kserve::health())
        .merge(page::routes())
        .method_not_allowed_fallback(wrong_method);
    behind_token
        .merge(open)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors(&server.gate))
        .layer(from_fn_with_state(server.clone(), gate::origin))
        .layer(from_fn_with_state(server.clone(), gate::host))
        .layer(from_fn(secure_headers))
        .layer(from_fn_with_state(server.clone(), observed::observe))
        .with_state(server)
}

fn cors(gate: &Gate) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(gate.origins()))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER, observed::REQUEST_ID])
        .max_age(Duration::from_secs(600))
}

/// Whether the server accepts requests, for load balancers.
async fn health(State(server): State<Arc<Server>>) -> Response {
    match server.queue.is_closed() {
        true => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping").into_response()
        }
        false => AxumJson(json!({ "status": "ok" })).into_response(),
    }
}

async fn missing() -> Problem {
    Problem::missing("there is nothing at this address; see /openapi.json, /v1/models and /v2")
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address does not support this method; the header Allow lists those it supports",
    )
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let what = panic.downcast_ref::<&str>().map(ToString::to_string);
    let what = what.or_else(|| panic.downcast_ref::<String>().cloned());
    tracing::error!(panic = what.unwrap_or_default(), "a request panicked");
    Problem::internal("the server failed because of a bug; its log has the details").into_response()
}

/// Adds headers that forbid browsers everything that an answer does not allow itself.
async fn secure_headers(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    const HEADERS: [(HeaderName, &str); 6] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (HeaderName::from_static("x-frame-options"), "DENY"),
    ];
    const RESOURCES: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    // Pages of allowed origins read answers by CORS.
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers
            .entry(RESOURCES)
            .or_insert(HeaderValue::from_static("same-origin"));
    }
    response
}

/// Time for the last answers to reach their clients.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Serves until `shutdown`. Then running requests are finished and waiting ones are refused. `ready` is called with
/// the address when clients can connect.
///
/// # Errors
/// [`Error`] if it cannot start.
pub async fn serve(
    config: Config,
    ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    log::start(config.log);
    let address = config.listen;
    let server = Arc::new(Server::new(config)?);
    let fail = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    tracing::info!(%address, "listening");
    ready(address);
    let close = {
        let server = server.clone();
        move || server.queue.close()
    };
    let longest = server.limits.seconds + LAST_ANSWERS;
    let limits = server.limits.clone();
    connections::accept(listener, router(server), &limits, shutdown, close, longest).await;
    tracing::info!("ended");
    Ok(())
}

/// The interval for checking whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// As [`serve`], on its own threads, until `is_asked_to_end`.
///
/// # Errors
/// As [`serve`].
pub fn serve_until(
    config: Config,
    ready: impl FnOnce(SocketAddr),
    is_asked_to_end: impl Fn() -> bool,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("server")
        .enable_all()
        .build()
        .map_err(Error::Threads)?;
    let shutdown = async {
        while !is_asked_to_end() {
            sleep(TICK).await;
        }
    };
    let served = runtime.block_on(serve(config, ready, shutdown));
    // Does not wait for work that does not end in time.
    runtime.shutdown_background();
    served
}
