//! Tests of maps: does a map show what the network used?
//!
//! A [`Candidate`] is a map to test, with the network, the picture and the target, and if known the
//! method that made it and the region of the object. A [`Metric`] measures one property of it and
//! returns a [`Measurement`]. Metrics run the network only through [`probe`](crate::probe).
//! [`registry`] lists all metrics; the command line, its help and the documents use that list.

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

/// A test of a map.
pub trait Metric: Send + Sync {
    /// Every setting that affects the figure, with its value, for the record. For the metrics of [`registry`] these
    /// are the options that they read when they were built.
    fn parameters(&self) -> Map<String, Value> {
        Map::new()
    }

    /// What it needs of the unchanged picture, so that one forward pass serves all.
    fn walks(&self) -> Walks {
        Walks::default()
    }

    /// Measures one map.
    ///
    /// # Errors
    /// [`Error`] instead of a wrong figure; [`Error::Unfit`] if the candidate lacks something ([`registry::Needs`]).
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error>;
}

/// A metric with the settings that it was built with.
struct Recorded {
    metric: Box<dyn Metric>,
    parameters: Map<String, Value>,
}

impl Metric for Recorded {
    fn parameters(&self) -> Map<String, Value> {
        self.parameters.clone()
    }

    fn walks(&self) -> Walks {
        self.metric.walks()
    }

    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        self.metric.measure(candidate)
    }
}
