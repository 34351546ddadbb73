//! JSON bodies of requests.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

use super::Problem;

/// The JSON body of a request. The error is 415 for another content type, and 400 with the position for invalid
/// content.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send + 'static, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_kind(request.headers())?;
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| Problem::request(error.to_string()))?;
        parse(bytes).await.map(Self)
    }
}

/// Returns an error if the content type is not JSON.
fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let is_json =
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    if is_json {
        return Ok(());
    }
    let message = "the body must be JSON, with the header `Content-Type: application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// Parses JSON.
///
/// # Errors
/// 400 with the position of the error.
pub async fn parse<T: DeserializeOwned + Send + 'static>(bytes: Bytes) -> Result<T, Problem> {
    let read = move || {
        serde_json::from_slice(&bytes)
            .map_err(|error| Problem::request(format!("the JSON body is invalid: {error}")))
    };
    parse_on_thread(read).await
}

/// Parses on a separate thread, so that a long text does not delay other requests.
async fn parse_on_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let read = spawn_blocking(read).await;
    read.unwrap_or_else(|error| Err(Problem::internal(error.to_string())))
}
