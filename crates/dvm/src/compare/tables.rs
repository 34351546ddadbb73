//! All values as a table (CSV, RFC 4180), one row for each value.

use super::lines::{Line, Plan};
use crate::training::report::row;

/// A row for each value: picture, slice, explained class, method, metric, value. Additional values of a metric
/// are named `metric: value`.
pub(super) fn long(plan: &Plan, lines: &[Line]) -> String {
    let head = ["picture", "slice", "class", "method", "metric", "value"];
    let mut csv = row(head.map(String::from).into_iter());
    for line in lines {
        for (map, method) in line.maps.iter().zip(&plan.methods) {
            let mut add = |metric: &str, value: f64| {
                let cells = [
                    line.file.clone(),
                    line.slice
                        .map_or_else(String::new, |slice| slice.to_string()),
                    line.class.clone().unwrap_or_default(),
                    method.name.clone(),
                    metric.to_owned(),
                    value.to_string(),
                ];
                csv += &row(cells.into_iter());
            };
            for found in &map.metrics {
                if let Some(value) = found.value {
                    add(&found.metric, value);
                }
                for (figure, value) in &found.figures {
                    if let Some(value) = value.as_f64() {
                        add(&format!("{}: {figure}", found.metric), value);
                    }
                }
            }
            if let Some(seconds) = map.seconds {
                add("seconds", seconds);
            }
        }
    }
    csv
}
