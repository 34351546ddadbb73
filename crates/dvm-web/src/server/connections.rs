//! Connections: a limited number, with time limits for slow clients.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower::Service;

use super::limits::Limits;

/// The maximum size of a request's head, in bytes.
const HEAD: usize = 64 << 10;

/// The pause when the operating system has no more connections.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves all connections with the router until `shutdown`. Then calls `close`, accepts no more connections, and
/// waits for open requests, at most for `longest`.
pub async fn accept(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
    close: impl FnOnce(),
    longest: Duration,
) {
    let open = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let permit = open.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        let service = router.clone();
        let service = service_fn(move |request: Request<Incoming>| service.clone().call(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(HEAD)
            .serve_connection(patient(stream, limits), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(permit);
        });
    }
    drop(listener);
    tracing::info!("stopping after the running requests");
    close();
    if timeout(longest, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not answered before the time limit");
    }
}

/// A connection that is closed if its client reads nothing for too long.
fn patient(
    stream: TcpStream,
    limits: &Limits,
) -> TokioIo<std::pin::Pin<Box<TimeoutStream<TcpStream>>>> {
    // Sends answers at once; without it, the connection is only slower.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.patience));
    TokioIo::new(Box::pin(stream))
}
