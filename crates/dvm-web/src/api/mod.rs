//! The API of the page: adding pictures, explanations as a stream, covered windows, downloads. The same in
//! TypeScript: `front/src/shared/types.ts`.

mod downloads;
mod explain;
mod info;
mod pictures;
mod session;
mod window;

use std::sync::Arc;

use dvm::Classifier;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::server::{Problem, Server};

pub use session::Session;

/// Checks that the network has classes of these indices.
fn check_classes(
    classifier: &Classifier,
    indices: impl IntoIterator<Item = usize>,
) -> Result<(), Problem> {
    let count = classifier.classes().len();
    match indices.into_iter().find(|&index| index >= count) {
        None => Ok(()),
        Some(index) => Err(Problem::request(format!(
            "there is no class {index}; the network has {count} classes, 0 to {}",
            count - 1
        ))),
    }
}

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
