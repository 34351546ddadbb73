//! Folders of labelled pictures.
//!
//! A [`Dataset`] has classes, and labelled pictures in each [`Split`]. A [`corpora::Corpus`] plans a data set
//! from a source, and [`prepare::Plan::write`] writes it. A [`Loader`] makes batches of pictures, with
//! random augmentation from [`augment`]. [`audit`] finds problems of a data set before training. [`regions`]
//! reads boxes and masks of objects.

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
pub use loader::{Batch, Epoch, LastBatch, Loader, LoaderOptions, OnBroken, Order, broken};
pub use value_range::range_warning;
