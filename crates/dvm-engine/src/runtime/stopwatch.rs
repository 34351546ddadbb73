//! Time per node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Adds up the time of each node over all walks of all forms of a network. A network has one by
/// [`Network::with_stopwatch`](crate::Network::with_stopwatch); without one, no time is measured.
///
/// ```
/// use dvm_engine::{Blueprint, Network, Stopwatch, Tensor, Walk, seeded};
///
/// let mut net = Blueprint::new(3);
/// let x = net.input();
/// let x = net.flatten("flatten", x);
/// let x = net.linear("fc", x, 12, 5, false);
/// let stopwatch = Stopwatch::default();
/// let network = Network::new(seeded::graph(net.ending_at(x))).with_stopwatch(stopwatch.clone());
/// network.fused().logits(&Tensor::zeros(&[4, 3, 2, 2])).unwrap();
/// let laps = stopwatch.laps();
/// let last = laps.last().unwrap();
/// assert_eq!((last.walk, &last.node[..], last.multiply_adds), (Walk::Forward, "fc", 4 * 12 * 5));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stopwatch {
    sums: Arc<Mutex<Sums>>,
}

#[derive(Debug, Default)]
struct Sums {
    laps: Vec<Lap>,
    places: BTreeMap<(Walk, String), usize>,
}

/// The kind of walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Walk {
    /// From the input to the logits.
    Forward,
    /// From the logits to the input.
    Backward,
    /// From changes of the input to the logits, as far as they reach.
    Incremental,
}

/// The cost of one node, over all walks of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Lap {
    /// The kind of walk.
    pub walk: Walk,
    /// Name of the node.
    pub node: String,
    /// Its op's kind, such as `conv2d`.
    pub kind: &'static str,
    /// The shape of its value in the first walk.
    pub shape: Vec<usize>,
    /// Number of calls.
    pub calls: usize,
    /// Seconds of all calls. Parallel walks each count, so the sum over all nodes can exceed the time
    /// that passed.
    pub seconds: f64,
    /// Multiply-adds of the direct computation, for all calls; 0 for ops other than convolutions, linear
    /// layers, attention and products. Kernels that need fewer are credited with all.
    pub multiply_adds: u64,
}

impl Stopwatch {
    /// The measurements since the start or the last [`Stopwatch::reset`]: one lap per node and kind of
    /// walk, in the order of their first call.
    pub fn laps(&self) -> Vec<Lap> {
        self.sums().laps.clone()
    }

    /// Removes all measurements.
    pub fn reset(&self) {
        *self.sums() = Sums::default();
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        // No panic leaves the sums in a bad state.
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, lap: Lap) {
        let mut sums = self.sums();
        let key = (lap.walk, lap.node.clone());
        if let Some(&place) = sums.places.get(&key) {
            let sum = &mut sums.laps[place];
            sum.calls += lap.calls;
            sum.seconds += lap.seconds;
            sum.multiply_adds += lap.multiply_adds;
        } else {
            let place = sums.laps.len();
            sums.places.insert(key, place);
            sums.laps.push(lap);
        }
    }
}
