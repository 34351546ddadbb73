//! Exponential moving average of the weights.

use std::collections::BTreeMap;

use dvm_engine::{Graph, Tensor};
use rayon::prelude::*;

use crate::Error;

/// The exponential moving average of all parameters (arXiv 1703.01780), including the running
/// statistics of batch normalisation, as timm's `ModelEmaV3`.
///
/// After every optimiser step, `average ← average + (1 − decay) · (value − average)`.
pub struct Ema {
    decay: f64,
    warm_up: bool,
    updates: u64,
    values: Vec<Tensor>,
}

/// Prefix of the names in a checkpoint.
const PREFIX: &str = "ema";

impl Ema {
    /// Starts with the values of `graph`. With `warm_up` the decay of update t, from 0, is `1 − (1
    /// + t)^(−2/3)`, at most `decay`, as timm's with its default gamma and power. So the initial
    /// weights lose influence early. Without it, `decay` applies from the first update on.
    ///
    /// # Panics
    /// If `decay` is not from 0 to 1.
    pub fn new(graph: &Graph, decay: f64, warm_up: bool) -> Self {
        assert!((0.0..=1.0).contains(&decay), "a decay of {decay}");
        Self {
            decay,
            warm_up,
            updates: 0,
            values: graph.values().to_vec(),
        }
    }

    /// Averages, in the order of [`Graph::parameters`].
    pub fn values(&self) -> &[Tensor] {
        &self.values
    }

    /// Number of updates.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    fn decay_now(&self) -> f64 {
        if !self.warm_up {
            return self.decay;
        }
        let root = (1.0 + self.updates as f64).cbrt();
        (1.0 - 1.0 / (root * root)).min(self.decay)
    }

    /// Updates the average with the values after a step.
    ///
    /// # Panics
    /// If `graph` has other parameters than the first one.
    pub fn update(&mut self, graph: &Graph) {
        assert_eq!(self.values.len(), graph.values().len(), "another network");
        let share = (1.0 - self.decay_now()) as f32;
        let pairs = self.values.par_iter_mut().zip(graph.values());
        pairs.with_max_len(1).for_each(|(average, value)| {
            assert_eq!(average.shape(), value.shape(), "another network");
            let parts = average.data_mut().par_chunks_mut(PART);
            let parts = parts.zip(value.data().par_chunks(PART));
            parts.for_each(|(average, value)| {
                for (average, value) in average.iter_mut().zip(value) {
                    *average += share * (value - *average);
                }
            });
        });
        self.updates += 1;
    }

    /// The tensors `ema.<parameter>` for a checkpoint, which also needs [`Ema::updates`]. Cheap:
    /// they are shared until the next update.
    pub fn state(&self, graph: &Graph) -> BTreeMap<String, Tensor> {
        let named = graph.parameters().iter().zip(&self.values);
        named
            .map(|(parameter, value)| (name_of(&parameter.name), value.clone()))
            .collect()
    }

    /// Restores a saved state.
    ///
    /// # Errors
    /// [`Error::State`] if the average of a parameter is missing or has another shape, or if the
    /// network does not have a parameter. Nothing is changed then.
    pub fn restore(
        &mut self,
        graph: &Graph,
        updates: u64,
        mut state: BTreeMap<String, Tensor>,
    ) -> Result<(), Error> {
        let refuse = |detail: String| Error::State {
            owner: "moving average of weights",
            detail,
        };
        let mut values = Vec::with_capacity(self.values.len());
        for parameter in graph.parameters() {
            let name = name_of(&parameter.name);
            let value = state
                .remove(&name)
                .ok_or_else(|| refuse(format!("`{name}` is missing")))?;
            if value.shape() != parameter.shape {
                return Err(refuse(format!(
                    "`{name}` has the shape {:?}, but the parameter has {:?}; was the network changed?",
                    value.shape(),
                    parameter.shape
                )));
            }
            values.push(value);
        }
        if let Some(name) = state.keys().next() {
            return Err(refuse(format!("the network has no parameter for `{name}`")));
        }
        self.values = values;
        self.updates = updates;
        Ok(())
    }
}

/// Values that one thread averages at a time.
const PART: usize = 1 << 15;

fn name_of(parameter: &str) -> String {
    format!("{PREFIX}.{parameter}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvm_engine::ops::pool::Pool;
    use dvm_engine::{Blueprint, seeded};

    fn network() -> Graph {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let x = net.batch_norm("bn", x, 3, 1e-5);
        let x = net.pool("pool", x, Pool::global_mean());
        let x = net.flatten("flatten", x);
        let x = net.linear("fc", x, 3, 2, true);
        seeded::graph(net.ending_at(x))
    }

    fn set_all(graph: &mut Graph, value: f32) {
        graph.update(|_, _, values| values.fill(value));
    }

    fn assert_all(ema: &Ema, expected: f64) {
        for value in ema.values().iter().flat_map(Tensor::data) {
            assert!((f64::from(*value) - expected).abs() < 1e-6, "{value}");
        }
    }

    #[test]
    fn running_statistics_are_averaged_too() {
        let mut graph = network();
        set_all(&mut graph, 0.0);
        let mut ema = Ema::new(&graph, 0.9, false);
        set_all(&mut graph, 1.0);
        ema.update(&graph);
        assert_all(&ema, 0.1);
        ema.update(&graph);
        assert_all(&ema, 0.19);
    }

    #[test]
    fn with_a_warm_up_the_first_average_is_the_first_weights() {
        let mut graph = network();
        let mut ema = Ema::new(&graph, 0.5, true);
        set_all(&mut graph, 1.0);
        ema.update(&graph);
        assert_all(&ema, 1.0);
        set_all(&mut graph, 2.0);
        ema.update(&graph);
        // timm: 1 − 2^(−2/3) = 0.370039…
        let decay = 1.0 - 2f64.powf(-2.0 / 3.0);
        let second = 1.0 * decay + 2.0 * (1.0 - decay);
        assert_all(&ema, second);
        // 1 − 3^(−2/3) = 0.52 is greater than the given decay.
        ema.update(&graph);
        assert_all(&ema, (second + 2.0) / 2.0);
    }

    #[test]
    fn a_restored_average_continues_with_the_same_bits() {
        let mut graph = network();
        let mut whole = Ema::new(&graph, 0.9, true);
        set_all(&mut graph, 0.3);
        whole.update(&graph);
        whole.update(&graph);
        let mut restored = Ema::new(&network(), 0.9, true);
        let state = whole.state(&graph);
        restored.restore(&graph, whole.updates(), state).unwrap();
        set_all(&mut graph, 0.7);
        whole.update(&graph);
        restored.update(&graph);
        assert_eq!(whole.values(), restored.values());
    }

    #[test]
    fn the_state_of_another_network_is_an_error() {
        let graph = network();
        let mut ema = Ema::new(&graph, 0.9, false);
        let state = ema.state(&graph);
        let mut refused = |change: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
            let mut state = state.clone();
            change(&mut state);
            ema.restore(&graph, 1, state).unwrap_err().to_string()
        };
        let missing = refused(&|s| {
            s.remove("ema.fc.bias");
        });
        assert!(missing.contains("`ema.fc.bias` is missing"), "{missing}");
        let shape = refused(&|s| {
            s.insert("ema.fc.bias".into(), Tensor::zeros(&[3]));
        });
        assert!(shape.contains("`ema.fc.bias` has the shape [3]"), "{shape}");
        let other = refused(&|s| {
            s.insert("ema.conv.bias".into(), Tensor::zeros(&[3]));
        });
        assert!(
            other.contains("no parameter for `ema.conv.bias`"),
            "{other}"
        );
        assert_eq!(ema.updates(), 0);
    }
}
