//! KServe's protocols: V1, and V2, the Open Inference Protocol.

mod binary;
mod numbers;
mod request;
mod v1;
mod v2;

use std::sync::Arc;

use axum::Router;

use crate::server::Server;

/// The routes of both protocols that need the token.
pub fn routes() -> Router<Arc<Server>> {
    v1::routes().merge(v2::routes())
}

/// The health routes, which need no token.
pub fn health() -> Router<Arc<Server>> {
    v2::health()
}
