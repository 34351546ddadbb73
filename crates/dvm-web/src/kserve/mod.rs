//! KServe's protocols: V1, and V2, the Open Inference Protocol.

mod asked;
mod binary;
mod numbers;
mod v1;
mod v2;

use std::sync::Arc;

use axum::Router;

use crate::server::Server;

/// The routes of both protocols that need the token.
pub fn routes() -> Router<Arc<Server>> {
    v1::routes().merge(v2::routes())
}

/// The routes that say whether the server lives, which tell nothing else.
pub fn health() -> Router<Arc<Server>> {
    v2::health()
}
