//! Errors in words.

use std::fmt::Display;

/// Checks that an error contains these words.
///
/// # Panics
/// If it does not.
#[track_caller]
pub fn says(error: &(impl Display + ?Sized), words: &str) {
    let text = error.to_string();
    assert!(text.contains(words), "{words}: {text}");
}
