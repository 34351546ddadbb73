//! The API of the page: adding pictures, explanations as a stream, covered windows, downloads. The same in
//! TypeScript: `front/src/shared/types.ts`.

mod downloads;
mod explain;
mod info;
mod pictures;
mod session;
mod window;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::server::Server;

pub use session::Session;

/// The routes below `/api`.
pub fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(info::info))
        .routes(routes!(info::classes))
        .routes(routes!(pictures::put))
        .routes(routes!(explain::explain))
        .routes(routes!(window::window))
        .routes(routes!(downloads::download))
}
