//! Where the time of walks goes, node by node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Adds up what each node of a network costs, over all walks of all its forms, until it is read. A
/// network carries it by [`Network::with_stopwatch`](crate::Network::with_stopwatch); one without
/// never looks at the clock.
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

/// Which way a graph was walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Walk {
    /// From the picture to the logits.
    Forward,
    /// From the logits to the picture.
    Backward,
    /// From changes of the picture to the logits, where they reach.
    Incremental,
}

/// What one node cost on all walks of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Lap {
    /// Which way the graph was walked.
    pub walk: Walk,
    /// Name of the node.
    pub node: String,
    /// Its op's kind, such as `conv2d`.
    pub kind: &'static str,
    /// The shape of its value when it was first walked over.
    pub shape: Vec<usize>,
    /// How often it was walked over.
    pub calls: usize,
    /// Seconds, all calls together. Walks that run side by side each count, so the sum over all nodes
    /// can be more than the time that passed.
    pub seconds: f64,
    /// Multiply-adds of the direct computation, all calls together; 0 but for convolutions and
    /// linear layers. Kernels that get by with fewer are credited with all.
    pub multiply_adds: u64,
}

impl Stopwatch {
    /// What was measured since the beginning or the last [`Stopwatch::reset`]: one lap per node and
    /// kind of walk, in the order in which they were first walked over.
    pub fn laps(&self) -> Vec<Lap> {
        self.sums().laps.clone()
    }

    /// Forgets what was measured.
    pub fn reset(&self) {
        *self.sums() = Sums::default();
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        // No panic can leave the sums half changed.
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
