//! Folders of labelled pictures.
//!
//! A [`Dataset`] is what training reads: classes, and for each [`Split`] the pictures with their
//! class. A [`Loader`] makes batches of them, changed at random by [`augment`] if wanted.

pub mod augment;
mod dataset;
mod error;
mod loader;
pub mod random;

pub use dataset::{Dataset, Sample, Split};
pub use error::Error;
pub use loader::{Batch, Epoch, Loader, Loading, OnBroken, Order, Rest};
