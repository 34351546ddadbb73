//! Checks of a map: metrics that are measured right after the map is made.

use std::time::Instant;

use dvm_attribution::metrics::registry::{Better, MetricEntry, Needs};
use dvm_attribution::metrics::{Candidate, Measurement};
use dvm_attribution::registry::Reference;
use dvm_attribution::{Settings, Walks};
use serde_json::{Map, Value, json};

use crate::Error;
use crate::chosen::{Chosen, built, filtered, find, named, split};

/// Metrics with their settings.
#[derive(Clone, Default)]
pub struct Checks {
    metrics: Chosen<MetricEntry>,
}

/// The metrics of [`Checks::USUAL`].
const USUAL: &[&str] = &[
    "symmetric-relevance-gain",
    "model-randomisation",
    "random-logit",
];

impl Checks {
    /// The name of a short set of metrics that is enough for most maps.
    pub const USUAL: &str = "usual";

    /// These metrics, separated by commas, with their default settings. [`Checks::USUAL`] is a short set;
    /// an empty text means no metrics.
    ///
    /// # Errors
    /// As [`Checks::with_settings`].
    pub fn metrics(names: &str) -> Result<Self, Error> {
        Self::with_settings(names, &Settings::new())
    }

    /// These metrics, separated by commas, each with the settings that start with its name
    /// (`deletion.steps`).
    ///
    /// # Errors
    /// [`Error::Usage`] for a metric that does not exist or is named twice, or a setting that none of the
    /// metrics has; [`Error::Setting`] for an invalid value.
    pub fn with_settings(names: &str, settings: &Settings) -> Result<Self, Error> {
        let chosen = match names.trim() {
            "" => Vec::new(),
            Self::USUAL => named(&USUAL.join(","))?,
            names => named(names)?,
        };
        Ok(Self {
            metrics: built(chosen, settings)?,
        })
    }

    /// These metrics, which need not be in the registry.
    #[cfg(test)]
    pub(crate) fn of(metrics: Chosen<MetricEntry>) -> Self {
        Self { metrics }
    }

    /// Splits settings into those of methods and those of metrics. Settings of metrics always start with the
    /// name of their metric.
    pub fn split(settings: &Settings) -> (Settings, Settings) {
        let is_of_metric = |setting: &str| {
            let (owner, _) = split(setting);
            owner.is_some_and(|owner| find::<MetricEntry>(owner).is_ok())
        };
        (
            filtered(settings, |name| !is_of_metric(name)),
            filtered(settings, is_of_metric),
        )
    }

    /// The metrics.
    pub fn entries(&self) -> impl Iterator<Item = &'static MetricEntry> {
        self.metrics.iter().map(|(entry, _)| *entry)
    }

    /// The metrics that need to know where the object is.
    pub fn needing_regions(&self) -> Vec<&'static str> {
        let needing = self.entries().filter(|e| e.needs == Needs::Region);
        needing.map(|entry| entry.name).collect()
    }

    /// Whether there are no metrics.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// The walks over the network that the metrics need for the picture itself.
    pub fn walks(&self) -> Walks {
        let walks = self.metrics.iter().map(|(_, metric)| metric.walks());
        walks.fold(Walks::default(), Walks::or)
    }

    /// The settings of each metric by its name, for the record.
    pub fn parameters(&self) -> Map<String, Value> {
        let all = self.metrics.iter();
        all.map(|(entry, metric)| (entry.name.into(), metric.parameters().into()))
            .collect()
    }

    /// Measures a map with all metrics; calls `tell` with each metric before it begins. A metric that cannot
    /// be measured returns the reason.
    pub fn measure(
        &self,
        candidate: &Candidate,
        mut tell: impl FnMut(&'static MetricEntry, usize),
    ) -> Vec<Checked> {
        let mut all = Vec::with_capacity(self.metrics.len());
        for (index, (entry, metric)) in self.metrics.iter().enumerate() {
            tell(entry, index);
            let start = Instant::now();
            let found = metric.measure(candidate);
            all.push(Checked {
                entry,
                parameters: metric.parameters(),
                found: found.map_err(|error| error.to_string()),
                seconds: start.elapsed().as_secs_f64(),
            });
        }
        all
    }
}

/// The result of one metric for one map.
#[derive(Clone)]
pub struct Checked {
    /// The metric.
    pub entry: &'static MetricEntry,
    /// All its settings.
    pub parameters: Map<String, Value>,
    /// The measurement, or why it could not be made.
    pub found: Result<Measurement, String>,
    /// Seconds that it took.
    pub seconds: f64,
}

impl Checked {
    /// The value, if it was measured.
    pub fn value(&self) -> Option<f64> {
        self.found.as_ref().ok().map(|found| found.value)
    }

    /// A warning if the map does not pass, or if the metric was not measured.
    pub fn warning(&self) -> Option<String> {
        let name = self.entry.title;
        match &self.found {
            Err(why) => Some(format!("{name} was not measured: {why}")),
            Ok(found) => {
                let finding = found.finding.as_ref()?;
                Some(format!("{name} {}: {finding}", figure(found.value)))
            }
        }
    }

    /// The entry in `explanation.json`.
    pub fn record(&self) -> Value {
        let mut record = json!({
            "name": self.entry.name,
            "reference": cited(&self.entry.reference),
            "better": self.entry.better.word(),
            "parameters": self.parameters,
            "seconds": self.seconds,
        });
        match &self.found {
            Err(why) => {
                record["value"] = Value::Null;
                record["not_measured"] = why.as_str().into();
            }
            Ok(found) => {
                record["value"] = found.value.into();
                let figures = found.figures.iter();
                record["figures"] = figures
                    .map(|figure| json!({ "name": figure.name, "value": figure.value }))
                    .collect();
                let curves = found.curves.iter();
                record["curves"] = curves
                    .map(|curve| {
                        json!({
                            "name": curve.name,
                            "across": curve.across,
                            "up": curve.up,
                            "points": curve.points,
                        })
                    })
                    .collect();
                record["finding"] = found.finding.clone().into();
            }
        }
        record
    }

    /// A line of text: `symmetric relevance gain 0.31`.
    pub fn line(&self) -> String {
        let name = self.entry.title;
        match &self.found {
            Err(_) => format!("{name}: not measured"),
            Ok(found) if found.finding.is_some() => {
                format!("{name} {} (does not pass)", figure(found.value))
            }
            Ok(found) => format!("{name} {}", figure(found.value)),
        }
    }

    /// The line with the direction: `symmetric relevance gain 0.31 (higher is better)`.
    pub fn long_line(&self) -> String {
        match self.entry.better {
            _ if self.found.is_err() => self.line(),
            Better::Neither => self.line(),
            better => format!("{} ({} is better)", self.line(), better.word()),
        }
    }
}

/// A paper as records name it.
pub(crate) fn cited(paper: &Reference) -> String {
    let (authors, year) = (paper.authors, paper.year);
    format!("{authors} {year}, {}, {}", paper.title, paper.published)
}

/// A value with three significant digits.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if (0.001..100_000.0).contains(&size) {
        let before = size.log10().floor() as i32;
        let decimals = usize::try_from((2 - before).clamp(0, 5)).unwrap_or(0);
        format!("{value:.decimals$}").replace('-', "−")
    } else {
        format!("{value:.2e}").replace('-', "−")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_significant_digits() {
        let written = [0.0, 0.31249, -0.0212, 12.345, 7_654.3, 1e-7, 1.0, 2.5e9].map(figure);
        let expected = [
            "0",
            "0.312",
            "−0.0212",
            "12.3",
            "7654",
            "1.00e−7",
            "1.00",
            "2.50e9",
        ];
        assert_eq!(written, expected);
    }

    #[test]
    fn a_setting_goes_to_the_metric_that_it_names() {
        let settings = Settings::new()
            .with("window", "20")
            .with("occlusion.stride", "10")
            .with("sparseness.seed", "3");
        let (of_methods, of_metrics) = Checks::split(&settings);
        assert_eq!(
            of_methods.names().collect::<Vec<_>>(),
            ["occlusion.stride", "window"]
        );
        assert_eq!(of_metrics.names().collect::<Vec<_>>(), ["sparseness.seed"]);
        let refused = Checks::with_settings("sparseness", &of_metrics).err();
        assert_eq!(
            refused.unwrap().to_string(),
            "metric `sparseness` has no option `seed`"
        );
    }

    #[test]
    fn an_unknown_metric_is_an_error_with_the_nearest_name() {
        let error = Checks::metrics("sparsness").err().unwrap();
        assert!(error.to_string().contains("sparseness"), "{error}");
    }
}
