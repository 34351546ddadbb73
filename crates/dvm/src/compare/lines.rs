//! What is written down of a comparison: how it was made, and what was found of each picture.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a comparison is made: all that its figures depend on. A run that is resumed must be made in the same
/// way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Version of the program.
    pub dvm: String,
    /// The network: its architecture, weights with their checksum, preprocessing.
    pub model: Value,
    /// Which class of each picture is explained.
    pub class: String,
    /// Where random numbers begin.
    pub seed: u64,
    /// Bytes that activations may take.
    pub memory: usize,
    /// Whether only what a change can reach is computed.
    pub incremental: bool,
    /// Where it is said where objects are.
    pub regions: Option<PlannedRegions>,
    /// Methods, then controls.
    pub methods: Vec<PlannedMethod>,
    pub metrics: Vec<PlannedMetric>,
    pub pictures: Vec<PlannedPicture>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PlannedRegions {
    pub path: String,
    /// None of a folder.
    pub sha256: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PlannedMethod {
    pub name: String,
    pub title: String,
    /// Whether its map does not look at the network.
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
    /// None if the file cannot be read.
    pub sha256: Option<String>,
    pub true_class: Option<String>,
}

/// All that was measured of one picture.
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
    /// The class that is explained, and its probability.
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
    /// What it means that the map does not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    pub seconds: f64,
}

/// How alike the maps of one picture are, each with each, `[methods, methods]`; none where it is not defined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Agreement {
    pub rank_correlation: Vec<Vec<Option<f64>>>,
    pub structural_similarity: Vec<Vec<Option<f64>>>,
}
