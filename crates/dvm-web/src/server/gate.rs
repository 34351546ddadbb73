//! Access control: allowed host names, allowed origins, and the token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::{Error, Problem, Server};

/// Access control.
pub struct Gate {
    token: Option<String>,
    origins: Vec<HeaderValue>,
    hosts: Vec<String>,
}

/// The minimum length of a token.
const SHORTEST: usize = 16;

impl Gate {
    /// Allows clients with this token, from these origins, by these host names.
    ///
    /// # Errors
    /// [`Error::Token`] for a token that is too short or cannot be in a header, [`Error::Origin`].
    pub fn new(
        token: Option<String>,
        origins: Vec<String>,
        hosts: Vec<String>,
    ) -> Result<Self, Error> {
        if let Some(token) = &token {
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::Token(
                    "must consist of ASCII letters, digits and signs",
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

    /// The allowed origins.
    pub(crate) fn origins(&self) -> Vec<HeaderValue> {
        self.origins.clone()
    }

    /// Whether the server accepts this host name. An attacker's page uses a name whose address it changes (DNS
    /// rebinding), never an address or `localhost`, so these are always accepted.
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

/// The host that the request names.
fn authority(request: &Request) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.clone());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?.parse().ok()?;
    hosts.next().is_none().then_some(host)
}

/// Refuses requests with a host name that is not allowed.
pub async fn host(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match authority(&request) {
        None => Problem::request("the header Host is missing or invalid").into_response(),
        Some(authority) if server.gate.knows_host(authority.host()) => next.run(request).await,
        Some(authority) => {
            let message = format!(
                "the host name `{}` is not allowed; the person who runs this server can allow it",
                crate::models::shortened(authority.host())
            );
            Problem::new(StatusCode::MISDIRECTED_REQUEST, message).into_response()
        }
    }
}

/// Refuses requests from pages of other sites, unless their origin is allowed.
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
    // For these methods, CORS keeps the page from reading the answer.
    let changes_nothing = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if is_allowed || is_own || changes_nothing {
        return next.run(request).await;
    }
    let message = "pages of this site are not allowed to use this server; the person who runs it can allow them";
    Problem::new(StatusCode::FORBIDDEN, message).into_response()
}

/// Refuses requests without the token.
pub async fn token(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    if server.gate.knows_token(request.headers()) {
        return next.run(request).await;
    }
    let message = match request.headers().contains_key(header::AUTHORIZATION) {
        true => "the token is wrong",
        false => "a token is needed; send the header `Authorization: Bearer TOKEN`",
    };
    Problem::new(StatusCode::UNAUTHORIZED, message).into_response()
}
