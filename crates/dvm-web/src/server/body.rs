//! Receiving the bodies of requests, with limits of size and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::{Limits, Problem, Server};

/// Bytes of all bodies that are in memory.
#[derive(Default)]
pub struct Bodies {
    held: AtomicUsize,
}

/// Bytes of one request's body, subtracted when it is dropped.
struct BodyBytes<'a> {
    bodies: &'a Bodies,
    bytes: usize,
}

impl BodyBytes<'_> {
    fn more(&mut self, bytes: usize, limits: &Limits) -> Result<(), Problem> {
        let before = self.bodies.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes <= limits.bodies {
            return Ok(());
        }
        let message = "the server is receiving too many large requests; try again later";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, message);
        Err(problem.after(Duration::from_secs(2)))
    }
}

impl Drop for BodyBytes<'_> {
    fn drop(&mut self) {
        self.bodies.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Receives the whole body before the request is handled.
pub async fn receive(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(encoding) = parts.headers.get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        let message = "compressed bodies are not supported; send the body without compression";
        return Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into_response();
    }
    let mut held = BodyBytes {
        bodies: &server.bodies,
        bytes: 0,
    };
    match whole(body, &mut held, &server.limits).await {
        Ok(bytes) => next.run(Request::from_parts(parts, bytes.into())).await,
        Err(problem) => problem.into_response(),
    }
}

async fn whole(
    mut body: Body,
    held: &mut BodyBytes<'_>,
    limits: &Limits,
) -> Result<Bytes, Problem> {
    let too_large = || {
        let message = format!("the body is too large; the limit is {} bytes", limits.body);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let promised = body.size_hint().exact();
    if promised.is_some_and(|length| length > limits.body as u64) {
        return Err(too_large());
    }
    let start = Instant::now();
    let mut all: Vec<u8> = Vec::new();
    loop {
        let seconds = all.len() as f64 / Limits::RATE as f64;
        let deadline = start + limits.patience + Duration::from_secs_f64(seconds);
        let frame = timeout_at(deadline, body.frame()).await;
        let frame = frame.map_err(|_elapsed| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the body arrives too slowly")
        })?;
        let Some(frame) = frame else {
            return Ok(all.into());
        };
        let frame = frame.map_err(|error| {
            Problem::request(format!(
                "the connection broke while the body was sent: {error}"
            ))
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if all.len() + data.len() > limits.body {
            return Err(too_large());
        }
        held.more(data.len(), limits)?;
        all.extend_from_slice(&data);
    }
}
