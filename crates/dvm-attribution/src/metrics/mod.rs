//! Tests of maps: does a map show what moved the network?
//!
//! A [`Candidate`] is a map that is tested, with the network, the picture and the target it is about, the
//! method that made it, and where the object is, if that is known. A [`Metric`] measures one property of it
//! and gives a [`Measurement`]. A metric asks the network only by the ways in [`probe`](crate::probe).
//! [`registry`] lists all metrics; the command line, its help and the documents read that list.

pub mod agreement;
mod candidate;
mod complexity;
pub mod controls;
mod covering;
mod deletion;
mod efficient_randomisation;
mod energy_inside;
mod infidelity;
mod insertion;
mod max_sensitivity;
mod measurement;
mod model_randomisation;
mod mu_fidelity;
mod object;
mod options;
mod patches;
mod pixel_flipping;
mod pointing_game;
mod random_logit;
mod random_weights;
mod rank_accuracy;
mod region_perturbation;
pub mod registry;
mod road;
mod sparseness;
mod symmetric_relevance_gain;

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
