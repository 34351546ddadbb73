//! A line of a manifest: one class of one picture.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line of a manifest. A failed picture has `error` instead of `result`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The picture's name among all results: its folder, relative to the manifest's.
    pub name: String,
    /// The picture's file, an absolute path.
    pub image: String,
    /// The slice, from 0, of a file with several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<usize>,
    /// Number of lines of the picture: one for each explained class.
    pub lines: usize,
    /// SHA-256 of the picture's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Size of the picture's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Time of the last change of the picture's file, in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<u64>,
    /// Checksum of the request: network, methods, options, files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Why there is no explanation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The results.
    #[serde(flatten)]
    pub result: Option<ClassResult>,
}

/// The results of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassResult {
    /// Index of the class.
    pub class: usize,
    /// Its name.
    pub class_name: String,
    /// Its probability, 0 … 1.
    pub probability: f32,
    /// The target: `{"class": 3}`, `{"class": 3, "against": 4}`, `{"sum": [3, 4]}`, or a layer's channel.
    pub target: Value,
    /// The most probable class.
    pub top_class_name: Option<String>,
    /// Its probability.
    pub top_probability: Option<f32>,
    /// The true class, if it is known.
    pub true_class: Option<String>,
    /// The maps.
    pub maps: Vec<Map>,
    /// Time for the maps, in seconds.
    pub seconds: f64,
    /// Warnings about the picture, the network and the maps.
    pub warnings: Vec<String>,
    /// The folder of the files, relative to the manifest's; none if no files are written.
    pub folder: Option<String>,
    /// The files, relative to `folder`.
    pub files: Vec<String>,
}

/// A map in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// The method.
    pub method: String,
    /// The smallest value of the map.
    pub min: Option<f64>,
    /// The largest value of the map.
    pub max: Option<f64>,
}

impl Line {
    /// A line of a picture without results.
    pub fn of(name: &str, image: &Path, slice: Option<usize>) -> Self {
        let image = std::path::absolute(image).unwrap_or_else(|_| image.into());
        Self {
            name: name.into(),
            image: image.to_string_lossy().into_owned(),
            slice,
            lines: 1,
            ..Self::default()
        }
    }
}

impl ClassResult {
    /// From the record of an explanation ([`dvm::Explanation::record`]) with files in `folder`. None for a record of
    /// another version.
    pub fn of_record(record: &Value, folder: Option<String>) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let methods = record["methods"].as_array()?;
        let map = |method: &Value| {
            Some(Map {
                method: text(&method["name"])?,
                min: method["map"]["min"].as_f64(),
                max: method["map"]["max"].as_f64(),
            })
        };
        let of = |source: &str, warnings: &Value| -> Vec<String> {
            let warnings = warnings.as_array().into_iter().flatten();
            let warnings = warnings.filter_map(Value::as_str);
            warnings
                .map(|warning| format!("{source}: {warning}"))
                .collect()
        };
        let mut warnings = of("picture", &record["image"]["warnings"]);
        warnings.append(&mut of("network", &record["warnings"]));
        for method in methods {
            let name = method["name"].as_str().unwrap_or_default();
            warnings.append(&mut of(name, &method["warnings"]));
        }
        let files = record["files"].as_array().into_iter().flatten();
        Some(Self {
            class: usize::try_from(record["class"]["index"].as_u64()?).ok()?,
            class_name: text(&record["class"]["name"])?,
            // It was written from an f32, so nothing is lost.
            probability: record["class"]["probability"].as_f64()? as f32,
            target: record["target"].clone(),
            top_class_name: text(&record["top"][0]["name"]),
            top_probability: record["top"][0]["probability"].as_f64().map(|p| p as f32),
            true_class: text(&record["image"]["true_class"]),
            maps: methods.iter().map(map).collect::<Option<_>>()?,
            seconds: record["seconds"].as_f64()?,
            warnings,
            folder,
            files: files.filter_map(text).collect(),
        })
    }
}
