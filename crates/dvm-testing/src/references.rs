//! The reference files of the crates' tests, which `references/*.py` wrote.

use std::path::{Path, PathBuf};

/// The path of a file or folder in `tests/references` of a crate, such as `("dvm-image", "resize")`.
pub fn path(of: &str, name: &str) -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
    crates.join(of).join("tests/references").join(name)
}
