//! Folders of labelled pictures.
//!
//! A [`Dataset`] is what training reads: classes, and for each [`Split`] the pictures with their
//! class. One is made from a source by a [`corpora::Corpus`], which plans what goes where, and
//! [`prepare::Plan::write`], which carries that out. A [`Loader`] makes batches of pictures, changed
//! at random by [`augment`] if wanted. [`audit`] tells what will hurt before that is done.
//! [`regions`] reads where objects are in pictures.

pub mod audit;
pub mod augment;
pub mod corpora;
mod dataset;
mod error;
pub mod formats;
mod loader;
pub mod prepare;
pub mod random;
pub mod regions;
mod splitting;
mod value_range;

pub use dataset::{Dataset, Sample, Split};
pub use error::Error;
pub use loader::{Batch, Epoch, Loader, Loading, OnBroken, Order, Rest, broken};
pub use value_range::range_warning;
