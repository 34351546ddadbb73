//! The results of gradient checks, stored with the graph.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The result of a check of the gradient that found no error.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GradientCheck {
    /// Number of directional derivatives that were compared.
    pub compared: usize,
    /// Number of these that could not be decided because of rounding or kinks of the network.
    pub undecided: usize,
    /// The largest difference of the others along the gradient itself, relative to the larger value; 0
    /// if there are none.
    pub along_gradient: f64,
    /// The largest difference of the others along random directions, relative to the larger value, or to
    /// the root mean square of these derivatives if that is larger; 0 if there are none.
    pub along_random: f64,
    /// Number of nodes that were compared one by one; 0 if the memory limit does not allow it.
    pub nodes: usize,
    /// The largest difference at a node that kinks do not explain, relative to the gradient that arrives
    /// there.
    pub at_node: f64,
}

impl GradientCheck {
    /// Whether the values are possible: they may come from a file.
    pub fn is_plausible(&self) -> bool {
        let shares = [self.along_gradient, self.along_random, self.at_node];
        self.compared > 0
            && self.undecided <= self.compared
            && shares.iter().all(|share| (0.0..=1.0).contains(share))
    }
}

/// Results by what they depend on besides the network: the shape of the input, and whether every node is compared.
#[derive(Default)]
pub(crate) struct KnownGradientChecks(Mutex<BTreeMap<([usize; 4], bool), GradientCheck>>);

impl KnownGradientChecks {
    pub(crate) fn get(&self, input: &[usize; 4], of_nodes: bool) -> Option<GradientCheck> {
        self.known().get(&(*input, of_nodes)).copied()
    }

    pub(crate) fn insert(&self, input: &[usize; 4], of_nodes: bool, found: GradientCheck) {
        self.known().insert((*input, of_nodes), found);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<([usize; 4], bool), GradientCheck>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
