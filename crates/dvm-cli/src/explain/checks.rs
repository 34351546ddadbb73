//! What `dvm explain` says of checks, and what they need.

use std::path::Path;
use std::sync::Arc;

use dvm::regions::Regions;
use dvm::{Checked, Checks, Explanation};
use serde::Serialize;

use crate::failure::Failure;

/// The figure of one check of one map.
#[derive(Serialize)]
pub struct CheckLine {
    method: &'static str,
    metric: &'static str,
    /// None if it could not be measured.
    value: Option<f64>,
    /// Whether something was found that speaks against the map.
    passes: Option<bool>,
}

/// The checks of all maps of an explanation, and a line for each map.
pub fn checks_of(explanation: &Explanation) -> (Vec<CheckLine>, String) {
    let (mut all, mut text) = (Vec::new(), String::new());
    for (method, checked) in explanation.checked() {
        let figures: Vec<String> = checked.iter().map(Checked::long_line).collect();
        if !figures.is_empty() {
            text += &format!("  {method}: {}\n", figures.join(", "));
        }
        all.extend(checked.iter().map(|check| {
            CheckLine {
                method,
                metric: check.entry.name,
                value: check.value(),
                passes: check
                    .found
                    .as_ref()
                    .ok()
                    .map(|found| found.finding.is_none()),
            }
        }));
    }
    (all, text)
}

/// Where objects are, if a check needs to know.
pub fn regions(path: Option<&Path>, checks: &Checks) -> Result<Option<Arc<Regions>>, Failure> {
    let needing = checks.needing_regions();
    match (path, needing.first()) {
        (None, Some(metric)) => Err(Failure::Request(format!(
            "{metric} must know where the object is: --regions PATH takes boxes or masks"
        ))),
        (Some(_), None) => Err(Failure::Request(
            "none of the metrics of --check asks where the object is, so --regions would not be used".into(),
        )),
        (Some(path), Some(_)) => Ok(Some(Arc::new(Regions::open(path)?))),
        (None, None) => Ok(None),
    }
}
