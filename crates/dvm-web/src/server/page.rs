//! The page, whose files are embedded in the program. The server never reads files of the machine.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::Server;

/// A file of the page.
struct Embedded {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

/// The files of the page.
const FILES: [Embedded; 3] = [
    Embedded {
        path: "/",
        kind: "text/html; charset=utf-8",
        bytes: include_bytes!("../../embedded/page.html"),
    },
    Embedded {
        path: "/page.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../embedded/page.js"),
    },
    Embedded {
        path: "/page.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("../../embedded/page.css"),
    },
];

/// Content security policy: the page may use its own script and style, this server, and pictures that it makes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data: blob:; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Permissions policy: of the browser's devices, the page may use the camera.
const PERMISSIONS: &str = "camera=(self), microphone=(), geolocation=(), payment=(), usb=()";

/// A route for each file.
pub fn routes() -> Router<Arc<Server>> {
    let mut router = Router::new();
    for file in &FILES {
        let answer = move || async move {
            let headers = [
                (header::CONTENT_TYPE, file.kind),
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (header::CACHE_CONTROL, "no-cache"),
                (
                    header::HeaderName::from_static("permissions-policy"),
                    PERMISSIONS,
                ),
            ];
            (headers, file.bytes).into_response()
        };
        router = router.route(file.path, get(answer));
    }
    router
}
