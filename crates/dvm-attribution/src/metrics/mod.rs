//! Tests of maps: does a map show what moved the network?
//!
//! A [`Candidate`] is a map that is tested, with the network, the picture and the target it is about, the
//! method that made it, and where the object is, if that is known. A [`Metric`] measures one property of it
//! and gives a [`Measurement`]. A metric asks the network only by the ways in [`probe`](crate::probe).
//! [`registry`] lists all metrics; the command line, its help and the documents read that list.

mod candidate;
mod energy_inside;
mod measurement;
mod object;
mod options;
mod pointing_game;
mod rank_accuracy;
pub mod registry;
mod sparseness;

pub use candidate::Candidate;
pub use measurement::{Curve, Figure, Measurement};

use serde_json::{Map, Value};

use crate::{Error, Walks};

/// A way of testing a map.
pub trait Metric: Send + Sync {
    /// Every setting that shapes the figure, with its value, for the record.
    fn parameters(&self) -> Map<String, Value>;

    /// What it will ask of the picture itself: a subject that knows walks the network once for all.
    fn walks(&self) -> Walks {
        Walks::default()
    }

    /// Measures one map.
    ///
    /// # Errors
    /// [`Error`]: rather no figure than a wrong one. [`Error::Unfit`] if the candidate lacks what is needed
    /// ([`registry::Needs`]).
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error>;
}
