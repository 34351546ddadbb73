//! Large files beside the checkout, for tests that are ignored on a plain clone.

use std::path::{Path, PathBuf};

/// The path of a file in `shared/` beside the checkout.
///
/// # Panics
/// If it is missing: a test that needs it is marked with `#[ignore = "needs ../shared"]`.
pub fn file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(name);
    assert!(path.exists(), "{} is missing", path.display());
    path
}
