//! A network in several files: `model.safetensors.index.json` names the file of each tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Weights, WeightsError, hexadecimal};

/// The longest index that is read, in bytes, and the most files that it may name.
pub(super) const LONGEST: u64 = 16 << 20;
const MOST: usize = 256;

/// The name of an index ends with this.
const ENDING: &str = ".index.json";

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Whether a file is an index by its name.
pub(super) fn is_index(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with(ENDING))
}

/// Reads all files that the index names; they must be in its folder.
///
/// The checksum covers the index and the checksums of its files.
pub(super) fn read(path: &Path, text: &[u8]) -> Result<Weights, WeightsError> {
    let file = path.display().to_string();
    let damaged = |reason: String| WeightsError::Damaged {
        file: file.clone(),
        format: "index",
        reason,
    };
    let index: Index = serde_json::from_slice(text).map_err(|error| {
        damaged(format!(
            "it is not a list of tensors and their files: {error}"
        ))
    })?;
    let files: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
    if files.is_empty() || files.len() > MOST {
        let count = files.len();
        return Err(damaged(format!(
            "it names {count} files, but must name 1 to {MOST}"
        )));
    }
    let mut digest = Sha256::new();
    digest.update(text);
    let mut all = BTreeMap::new();
    let mut metadata = BTreeMap::new();
    for name in files {
        let is_plain = Path::new(name)
            .file_name()
            .is_some_and(|plain| plain == name);
        if !is_plain || name.ends_with(ENDING) {
            return Err(damaged(format!(
                "it names `{name}`, which is not a file in its folder"
            )));
        }
        let shard = Weights::read(&path.with_file_name(name))?;
        digest.update(shard.sha256.as_bytes());
        metadata.extend(shard.metadata);
        all.extend(shard.arrays);
    }
    all.retain(|name, _| index.weight_map.contains_key(name));
    if let Some(missing) = index
        .weight_map
        .keys()
        .find(|name| !all.contains_key(*name))
    {
        return Err(damaged(format!("its files have no tensor `{missing}`")));
    }
    let sha256 = hexadecimal(&digest.finalize());
    Ok(Weights::from_arrays(&file, sha256, metadata, all))
}
