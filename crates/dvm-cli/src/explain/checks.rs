//! Checks of maps in the output of `dvm explain`, and the regions that they need.

use std::path::Path;
use std::sync::Arc;

use dvm::regions::Regions;
use dvm::{Checked, Checks, Explanation};
use serde::Serialize;

use crate::failure::Failure;

/// The value of one metric for one map.
#[derive(Serialize)]
pub struct CheckLine {
    method: &'static str,
    metric: &'static str,
    /// None if it cannot be measured.
    value: Option<f64>,
    /// False if the metric found a fault of the map.
    passes: Option<bool>,
}

/// The checks of all maps of an explanation, and a line of text for each map.
pub fn checks_of(explanation: &Explanation) -> (Vec<CheckLine>, String) {
    let (mut all, mut text) = (Vec::new(), String::new());
    for (method, checked) in explanation.checked() {
        let values: Vec<String> = checked.iter().map(Checked::long_line).collect();
        if !values.is_empty() {
            text += &format!("  {method}: {}\n", values.join(", "));
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

/// The regions of objects, if a check needs them.
pub fn regions(path: Option<&Path>, checks: &Checks) -> Result<Option<Arc<Regions>>, Failure> {
    let needing = checks.needing_regions();
    match (path, needing.first()) {
        (None, Some(metric)) => Err(Failure::Request(format!(
            "{metric} needs the region of the object; give boxes or masks with --regions PATH"
        ))),
        (Some(_), None) => Err(Failure::Request(
            "no metric of --check uses --regions; leave it out, or choose a metric of localisation (dvm metrics list)".into(),
        )),
        (Some(path), Some(_)) => Ok(Some(Arc::new(Regions::open(path)?))),
        (None, None) => Ok(None),
    }
}
