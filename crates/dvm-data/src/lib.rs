//! Folders of labelled pictures.
//!
//! A [`Dataset`] is what training reads: classes, and for each [`Split`] the pictures with their
//! class.

mod dataset;
mod error;
pub mod random;

pub use dataset::{Dataset, Sample, Split};
pub use error::Error;
