//! Folders of labelled pictures.
//!
//! A [`Dataset`] is what training reads: classes, and for each [`Split`] the pictures with their
//! class. One is made from a source by a [`corpora::Corpus`], which plans what goes where, and
//! [`prepare::Plan::write`], which carries that out.

pub mod corpora;
mod dataset;
mod error;
pub mod formats;
pub mod prepare;
pub mod random;
mod splitting;

pub use dataset::{Dataset, Sample, Split};
pub use error::Error;
