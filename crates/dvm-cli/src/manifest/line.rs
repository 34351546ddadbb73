//! What a manifest says of one class of one picture.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line of a manifest. Of a picture that failed, only `error` and what is above `class` is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The picture's name among all results: its folder, from that of the manifest, where one is made.
    pub name: String,
    /// The picture's file, from the root of the file system.
    pub image: String,
    /// Which slice of a file with several it is, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<usize>,
    /// How many lines the picture has: one for each class that was explained.
    pub lines: usize,
    /// SHA-256 of the picture's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Size of the picture's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When the picture's file was last changed: nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<u64>,
    /// A checksum of all that was asked for: network, methods, parameters, files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Why there is no explanation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was found.
    #[serde(flatten)]
    pub found: Option<Found>,
}

/// What was found of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Index of the class.
    pub class: usize,
    /// Its name.
    pub class_name: String,
    /// Its probability, 0 … 1.
    pub probability: f32,
    /// What is explained: `{"class": 3}`, `{"class": 3, "against": 4}`, `{"sum": [3, 4]}`, or a layer's channel.
    pub target: Value,
    /// The most probable class, which may be another.
    pub top_class_name: Option<String>,
    /// Its probability.
    pub top_probability: Option<f32>,
    /// The class that the picture really shows, where it is known.
    pub true_class: Option<String>,
    /// The maps.
    pub maps: Vec<Map>,
    /// How long the maps took.
    pub seconds: f64,
    /// What a reader of the maps must know.
    pub warnings: Vec<String>,
    /// The folder of the files, from that of the manifest; none if no files are written.
    pub folder: Option<String>,
    /// The files, from `folder`.
    pub files: Vec<String>,
}

/// What a manifest says of a map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// The method.
    pub method: String,
    /// The least value of the map.
    pub min: Option<f64>,
    /// The largest value of the map.
    pub max: Option<f64>,
}

impl Line {
    /// A line of a picture, with nothing found yet.
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

impl Found {
    /// What the record of an explanation says ([`dvm::Explanation::record`]); its files are in `folder`. None for
    /// a record that another version wrote.
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
        let said = |by: &str, warnings: &Value| -> Vec<String> {
            let warnings = warnings.as_array().into_iter().flatten();
            let warnings = warnings.filter_map(Value::as_str);
            warnings.map(|warning| format!("{by}: {warning}")).collect()
        };
        let mut warnings = said("picture", &record["image"]["warnings"]);
        warnings.append(&mut said("network", &record["warnings"]));
        for method in methods {
            let name = method["name"].as_str().unwrap_or_default();
            warnings.append(&mut said(name, &method["warnings"]));
        }
        let files = record["files"].as_array().into_iter().flatten();
        Some(Self {
            class: usize::try_from(record["class"]["index"].as_u64()?).ok()?,
            class_name: text(&record["class"]["name"])?,
            // It was written from an f32, and reads as the same.
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
