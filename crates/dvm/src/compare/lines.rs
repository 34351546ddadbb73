//! The lines of the file of measurements: the plan, and the measurements of each picture.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Everything that the values of a comparison depend on. A run is resumed only with the same plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Version of dvm.
    pub dvm: String,
    /// The network: its architecture, weights with their checksum, preprocessing.
    pub model: Value,
    /// Which class of each picture is explained.
    pub class: String,
    /// Seed of random numbers.
    pub seed: u64,
    /// Memory limit for activations, in bytes.
    pub memory: usize,
    /// Whether only the part that a change can reach is computed.
    pub incremental: bool,
    /// The boxes or masks of objects.
    pub regions: Option<PlannedRegions>,
    /// Methods, then controls.
    pub methods: Vec<PlannedMethod>,
    pub metrics: Vec<PlannedMetric>,
    pub pictures: Vec<PlannedPicture>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PlannedRegions {
    pub path: String,
    /// `None` for a folder.
    pub sha256: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PlannedMethod {
    pub name: String,
    pub title: String,
    /// Whether its map does not depend on the network.
    pub control: bool,
    pub parameters: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PlannedMetric {
    pub name: String,
    pub title: String,
    /// `higher`, `lower` or `neither`.
    pub better: String,
    pub parameters: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PlannedPicture {
    pub file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<usize>,
    /// `None` if the file cannot be read.
    pub sha256: Option<String>,
    pub true_class: Option<String>,
}

/// The measurements of one picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Its number in the plan.
    pub picture: usize,
    pub file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<usize>,
    /// Why nothing could be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The explained class and its probability.
    pub class: Option<String>,
    pub probability: Option<f32>,
    /// One for each method of the plan.
    pub maps: Vec<MapLine>,
    pub agreement: Option<Agreement>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct MapLine {
    pub method: String,
    /// Why there is no map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    pub seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// One for each metric of the plan.
    pub metrics: Vec<MetricLine>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct MetricLine {
    pub metric: String,
    pub value: Option<f64>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub figures: Map<String, Value>,
    /// Why the map does not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    pub seconds: f64,
}

/// Agreement of the maps of one picture for each pair of methods, `[methods, methods]`; none if undefined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Agreement {
    pub rank_correlation: Vec<Vec<Option<f64>>>,
    pub structural_similarity: Vec<Vec<Option<f64>>>,
}
