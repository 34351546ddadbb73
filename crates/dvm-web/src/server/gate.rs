//! Who may ask: which names the server goes by, which sites' pages may ask, and who knows the token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::{Error, Problem, Server};

/// Who may ask.
pub struct Gate {
    token: Option<String>,
    origins: Vec<HeaderValue>,
    hosts: Vec<String>,
}

/// The fewest letters of a token.
const SHORTEST: usize = 16;

impl Gate {
    /// Those who know the token, from these sites, by these names.
    ///
    /// # Errors
    /// [`Error::Token`] for one that is easily guessed or fits no header, [`Error::Origin`].
    pub fn new(
        token: Option<String>,
        origins: Vec<String>,
        hosts: Vec<String>,
    ) -> Result<Self, Error> {
        if let Some(token) = &token {
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::Token(
                    "may hold letters, digits and signs of ASCII only",
                ));
            }
            if token.len() < SHORTEST {
                return Err(Error::Token("must have at least 16 characters"));
            }
        }
        let origins = origins.into_iter().map(|origin| {
            let is_origin = parsed_origin(&origin).is_some();
            let value = HeaderValue::from_str(&origin.to_ascii_lowercase()).ok();
            value.filter(|_| is_origin).ok_or(Error::Origin(origin))
        });
        Ok(Self {
            token,
            origins: origins.collect::<Result<_, _>>()?,
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        })
    }

    /// The sites that may ask.
    pub(crate) fn origins(&self) -> Vec<HeaderValue> {
        self.origins.clone()
    }

    /// Whether this is a name of the server. A page of another site reaches the server by a name whose address
    /// it changes (DNS rebinding), never by an address or by `localhost`.
    fn knows_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || address.parse::<IpAddr>().is_ok()
            || self.hosts.contains(&host)
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let given = headers.get(header::AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, given)| {
            let is_bearer = scheme.eq_ignore_ascii_case("bearer");
            is_bearer && bool::from(given.trim().as_bytes().ct_eq(token.as_bytes()))
        })
    }
}

/// The authority of an origin.
fn parsed_origin(origin: &str) -> Option<Authority> {
    let uri: Uri = origin.parse().ok()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_plain =
        !origin.ends_with('/') && matches!(uri.path(), "" | "/") && uri.query().is_none();
    uri.authority().filter(|_| is_web && is_plain).cloned()
}

/// The name by which the server is asked.
fn authority(request: &Request) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.clone());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?.parse().ok()?;
    hosts.next().is_none().then_some(host)
}

/// Refuses requests by a name that is not the server's.
pub async fn host(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match authority(&request) {
        None => Problem::request("the header Host is missing or is no name").into_response(),
        Some(authority) if server.gate.knows_host(authority.host()) => next.run(request).await,
        Some(authority) => {
            let message = format!(
                "this server does not go by the name `{}`; the person who runs it can allow that name",
                crate::models::shortened(authority.host())
            );
            Problem::new(StatusCode::MISDIRECTED_REQUEST, message).into_response()
        }
    }
}

/// Refuses what a page of another site asks, unless it may.
pub async fn origin(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN) else {
        return next.run(request).await;
    };
    let is_allowed = server.gate.origins.contains(origin);
    let own = authority(&request);
    let from = origin.to_str().ok().and_then(parsed_origin);
    let is_own = match (own, from) {
        (Some(own), Some(from)) => own == from,
        _ => false,
    };
    // The browser asks first (CORS), and reads nothing that it may not.
    let changes_nothing = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if is_allowed || is_own || changes_nothing {
        return next.run(request).await;
    }
    let message = "pages of this site may not ask this server; the person who runs it can allow it";
    Problem::new(StatusCode::FORBIDDEN, message).into_response()
}

/// Refuses those who do not know the token.
pub async fn token(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    if server.gate.knows_token(request.headers()) {
        return next.run(request).await;
    }
    let message = match request.headers().contains_key(header::AUTHORIZATION) {
        true => "the token is wrong",
        false => "a token is needed, in a header `Authorization: Bearer TOKEN`",
    };
    Problem::new(StatusCode::UNAUTHORIZED, message).into_response()
}
