//! An HTTP server around networks: queue, limits, who may ask, metrics, logs.

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
mod received;

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
use dvm::Classifier;
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

/// What to serve, and to whom.
pub struct Config {
    /// The networks, with the names that they are asked for by.
    pub models: Vec<(String, Arc<Classifier>)>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// What clients must know: needed beyond loopback.
    pub token: Option<String>,
    /// What requests may take.
    pub limits: Limits,
    /// Other sites whose pages may ask: `https://example.org`.
    pub origins: Vec<String>,
    /// Names, besides `localhost` and addresses, by which the server may be asked.
    pub hosts: Vec<String>,
    /// How requests are logged.
    pub log: Log,
}

impl Config {
    /// The names that the networks will be asked for by.
    pub fn names(&self) -> Vec<String> {
        let given = self.models.iter().map(|(name, _)| &name[..]);
        Models::names(given)
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not this machine's, or is taken.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others could reach it, and nothing keeps them from using it.
    #[error(
        "{0} can be reached from other machines, and everyone who reaches it could use this machine and see its \
         pictures: a token is needed"
    )]
    Open(IpAddr),
    /// The token is none.
    #[error("the token {0}")]
    Token(&'static str),
    /// Not the name of a site.
    #[error("`{0}` is not an origin: it is a scheme and a host, such as https://example.org")]
    Origin(String),
    /// There is no network.
    #[error("there is no network to serve")]
    NoModels,
    /// The system gives no threads.
    #[error("cannot start the server's threads: {0}")]
    Threads(std::io::Error),
}

/// What all requests share.
pub struct Server {
    /// The networks.
    pub models: Models,
    /// The queue before the engine.
    pub queue: Queue,
    /// What requests may take.
    pub limits: Limits,
    /// What is counted.
    pub metrics: Metrics,
    /// What the page works with.
    pub session: api::Session,
    gate: Gate,
    bodies: received::Bodies,
}

impl Server {
    /// A server that is not reached yet.
    ///
    /// # Errors
    /// [`Error`] for a configuration that makes no sense or is not safe.
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
            bodies: received::Bodies::default(),
            limits,
        })
    }
}

/// The description of our own interface.
#[derive(OpenApi)]
#[openapi(info(
    title = "Deep Vision Mask",
    description = "What an image classifier sees in a picture, and what it looked at."
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
        // Bodies have been received by then, within the limits of the server.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(server.clone(), received::receive))
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

/// Whether the server takes requests, for load balancers.
async fn health(State(server): State<Arc<Server>>) -> Response {
    match server.queue.is_closed() {
        true => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is ending").into_response()
        }
        false => AxumJson(json!({ "status": "ok" })).into_response(),
    }
}

async fn missing() -> Problem {
    Problem::missing(
        "there is nothing at this address; /openapi.json, /v1/models and /v2 say what there is",
    )
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address does not take this method; the header Allow says which it takes",
    )
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let what = panic.downcast_ref::<&str>().map(ToString::to_string);
    let what = what.or_else(|| panic.downcast_ref::<String>().cloned());
    tracing::error!(
        panic = what.unwrap_or_default(),
        "a request's answer panicked"
    );
    Problem::internal(
        "the server failed in a way that it must not: this is a bug; its log has more",
    )
    .into_response()
}

/// What browsers may do with an answer, where it does not say it itself: nothing.
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
    // A page of another site that may ask reads answers by CORS.
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers
            .entry(RESOURCES)
            .or_insert(HeaderValue::from_static("same-origin"));
    }
    response
}

/// How long answers may take to reach their clients after the last work is done.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Serves until `shutdown`; then what works is finished, what waits is refused, and this ends. `ready` is called
/// with the address when clients can connect.
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
    let longest = server.limits.seconds + LAST_WORDS;
    let limits = server.limits.clone();
    connections::accept(listener, router(server), &limits, shutdown, close, longest).await;
    tracing::info!("ended");
    Ok(())
}

/// How often it is asked whether to end.
const TICK: Duration = Duration::from_millis(50);

/// As [`serve`], on threads of its own, until `is_asked_to_end`.
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
    // Work that does not end in time is left behind with the process.
    runtime.shutdown_background();
    served
}
