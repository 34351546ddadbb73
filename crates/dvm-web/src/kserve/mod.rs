//! KServe's protocols: V1, and V2, the Open Inference Protocol.

use std::sync::Arc;

use axum::Router;

use crate::server::Server;

/// The routes of both protocols that need the token.
pub fn routes() -> Router<Arc<Server>> {
    Router::new()
}

/// The routes that say whether the server lives, which tell nothing else.
pub fn health() -> Router<Arc<Server>> {
    Router::new()
}
