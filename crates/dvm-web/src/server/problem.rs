//! Errors as answers.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request failed. As an answer it is the JSON object `{"error": message}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// What is wrong and what to do.
    pub message: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem with this status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after: None,
        }
    }

    /// 400: the request is wrong.
    pub fn request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: the request names something that does not exist.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 500: an error of the server.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Sets the time after which to try again, at least one second.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.max(Duration::from_secs(1)));
        self
    }

    /// Names the part of the request: `instances[3]`.
    #[must_use]
    pub fn of(mut self, part: &str) -> Self {
        self.message = format!("{part}: {}", self.message);
        self
    }
}

impl From<dvm::Error> for Problem {
    /// 400 for errors of the request, 500 for errors of the network and the machine.
    fn from(error: dvm::Error) -> Self {
        use dvm::Error;
        let status = match &error {
            Error::Picture(_) | Error::Setting(_) | Error::Usage(_) | Error::Method { .. } => {
                StatusCode::BAD_REQUEST
            }
            // The crop depends on the network, not on the request.
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let words = error.to_string();
        Self::new(status, dvm::with_causes(words, &error))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.message }))).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs_f64().ceil() as u64;
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
