//! What a check of the gradient found, kept with the graph.

/// What a check of a gradient found: it agrees, as far as that could be told.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GradientCheck {
    /// How many directional derivatives were compared.
    pub compared: usize,
    /// How many of them rounding or kinks of the network hid.
    pub undecided: usize,
    /// The largest mismatch of the others along the gradient itself, relative to the larger figure; 0 if there
    /// are none.
    pub along_gradient: f64,
    /// The largest mismatch of the others along random directions, relative to the larger figure, or to the root
    /// mean square of these derivatives where that is more; 0 if there are none.
    pub along_random: f64,
    /// How many nodes were compared on their own; 0 where memory does not hold what that takes.
    pub nodes: usize,
    /// The largest mismatch of a node, relative to what arrives there; of those that kinks do not explain.
    pub at_node: f64,
}

impl GradientCheck {
    /// Whether a check can have found this: what is read from a file may be anything.
    pub fn is_plausible(&self) -> bool {
        let shares = [self.along_gradient, self.along_random, self.at_node];
        self.compared > 0
            && self.undecided <= self.compared
            && shares.iter().all(|share| (0.0..=1.0).contains(share))
    }
}
