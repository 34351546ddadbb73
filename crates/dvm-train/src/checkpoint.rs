//! The state of a run, saved so that it can be resumed.

use std::collections::BTreeMap;
use std::path::Path;

use dvm_engine::weights::{Array, Weights, to_safetensors};
use dvm_engine::{Graph, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::progress::EpochRecord;

/// The prefix of tensors that are not weights of the network.
pub const PREFIX: &str = "dvm.training.";

/// The metadata key of [`Position`].
const POSITION_KEY: &str = "dvm.training";

/// The state of a run, except for tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Completed epochs.
    pub epoch: u64,
    /// Completed batches of the current epoch.
    pub batch: usize,
    /// Steps of the optimiser.
    pub step: u64,
    /// Sums over these batches.
    pub running: Running,
    /// The best epoch so far.
    pub best: Option<EpochRecord>,
    /// State of the schedule.
    pub schedule: Value,
    /// State of early stopping.
    pub stopping: Value,
    /// Updates of the moving average.
    pub averaged: u64,
    /// The planned number of epochs when early stopping ended the training.
    #[serde(default)]
    pub ended_at: Option<u64>,
    /// SHA-256 of the list of training and validation pictures, with their classes.
    pub pictures: String,
}

/// Sums over the batches of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Sum of the losses of all pictures.
    pub loss: f64,
    /// Number of correct pictures; mixed pictures count partly.
    pub found: f64,
    /// Number of pictures.
    pub pictures: usize,
    /// Learning rate of the last step.
    #[serde(default)]
    pub learning_rate: f64,
}

/// The state of a run after a step.
pub struct Checkpoint {
    /// Counters and small state.
    pub position: Position,
    /// Values of all parameters, by name.
    pub weights: BTreeMap<String, Tensor>,
    /// State of the optimiser and moving averages, by name.
    pub state: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// The bytes of a `.safetensors` file. `metadata` describes the network.
    pub fn to_bytes(&self, metadata: &BTreeMap<String, String>) -> Vec<u8> {
        let mut metadata = metadata.clone();
        let position = serde_json::to_string(&self.position);
        metadata.insert(
            POSITION_KEY.into(),
            position.expect("numbers can be written"),
        );
        let weights = self.weights.iter().map(|(name, t)| (name.clone(), t));
        let state = self.state.iter();
        let state = state.map(|(name, t)| (format!("{PREFIX}{name}"), t));
        to_safetensors(weights.chain(state), &metadata)
    }

    /// Reads what [`Checkpoint::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is not a checkpoint of a run.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let refuse = |detail: String| Error::Checkpoint {
            path: path.into(),
            detail,
        };
        let weights = Weights::read(path).map_err(|error| refuse(error.to_string()))?;
        let position = weights.metadata().get(POSITION_KEY).ok_or_else(|| {
            refuse("has weights, but not the state of a run; use `last.safetensors`".into())
        })?;
        let position = serde_json::from_str(position)
            .map_err(|error| refuse(format!("the state of the run cannot be read: {error}")))?;
        let (state, weights) = weights.split_off(PREFIX);
        let tensor = |array: &Array| Tensor::from_nchw(&array.shape, &array.values);
        Ok(Self {
            position,
            weights: weights
                .iter()
                .map(|(name, array)| (name.to_owned(), tensor(array)))
                .collect(),
            state: state
                .iter()
                .map(|(name, array)| (name.clone(), tensor(array)))
                .collect(),
        })
    }

    /// This graph with the weights of the checkpoint.
    ///
    /// # Errors
    /// [`Error::State`] if one is missing or has another shape.
    pub fn graph_like(&self, graph: &Graph) -> Result<Graph, Error> {
        for parameter in graph.parameters() {
            if !self.weights.contains_key(&parameter.name) {
                return Err(Error::State {
                    owner: "network",
                    detail: format!("`{}` is missing", parameter.name),
                });
            }
        }
        Ok(graph.with_values(|_, parameter| self.weights[&parameter.name].clone())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_back_bit_for_bit() {
        let position = Position {
            epoch: 3,
            batch: 17,
            step: 431,
            running: Running {
                loss: 0.1 + 0.2,
                found: 1.0 / 3.0,
                pictures: 340,
                learning_rate: 0.1 / 3.0,
            },
            schedule: serde_json::json!({"best": 0.1 + 0.7}),
            ..Position::default()
        };
        let tensor = |value| Tensor::from_nchw(&[1, 2, 1, 1], &[value, -0.0]);
        let checkpoint = Checkpoint {
            position,
            weights: BTreeMap::from([("conv.weight".into(), tensor(0.1))]),
            state: BTreeMap::from([("optimiser.momentum.conv.weight".into(), tensor(1e-40))]),
        };
        let bytes = checkpoint.to_bytes(&BTreeMap::new());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        std::fs::write(&path, &bytes).unwrap();
        let read = Checkpoint::read(&path).unwrap();
        assert_eq!(read.position, checkpoint.position);
        assert_eq!(read.weights, checkpoint.weights);
        assert_eq!(read.state, checkpoint.state);
        assert_eq!(read.to_bytes(&BTreeMap::new()), bytes);
    }

    #[test]
    fn a_weight_file_without_the_state_of_a_run_is_an_error() {
        let tensor = Tensor::zeros(&[1]);
        let bytes = to_safetensors([("x".to_owned(), &tensor)], &BTreeMap::new());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let error = Checkpoint::read(&path).err().unwrap().to_string();
        assert!(
            error.contains("best.safetensors") && error.contains("last.safetensors"),
            "{error}"
        );
    }
}
