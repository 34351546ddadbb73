//! Checks of a map: metrics that are measured right after it was made.

use std::time::Instant;

use dvm_attribution::metrics::registry::{Better, MetricEntry, Needs};
use dvm_attribution::metrics::{Candidate, Measurement, Metric};
use dvm_attribution::{Settings, Walks};
use serde_json::{Map, Value, json};

use crate::Error;
use crate::chosen::{check_settings, find, named, own_settings, split, those_of};

/// Metrics with their settings.
#[derive(Default)]
pub struct Checks {
    metrics: Vec<(&'static MetricEntry, Box<dyn Metric>)>,
}

/// What [`Checks::USUAL`] stands for.
const USUAL: &[&str] = &[
    "symmetric-relevance-gain",
    "model-randomisation",
    "random-logit",
];

impl Checks {
    /// The name of a short set of metrics that says of most maps whether they can be trusted.
    pub const USUAL: &str = "usual";

    /// These metrics, separated by commas, with their default settings; [`Checks::USUAL`] is a short set,
    /// and an empty text none.
    ///
    /// # Errors
    /// As [`Checks::with_settings`].
    pub fn metrics(names: &str) -> Result<Self, Error> {
        Self::with_settings(names, &Settings::new())
    }

    /// These metrics, separated by commas, each with those of the settings that are named for it
    /// (`deletion.steps`).
    ///
    /// # Errors
    /// [`Error::Usage`] for a metric that does not exist or is named twice, or a setting that none of the
    /// metrics has; [`Error::Setting`] for a value that a setting does not take.
    pub fn with_settings(names: &str, settings: &Settings) -> Result<Self, Error> {
        let chosen = match names.trim() {
            "" => Vec::new(),
            Self::USUAL => named::<MetricEntry>(&USUAL.join(","))?,
            names => named::<MetricEntry>(names)?,
        };
        check_settings(&chosen, settings)?;
        let metric = |entry: &'static MetricEntry| {
            let metric = entry.metric(&own_settings(entry, settings))?;
            Ok::<_, Error>((entry, metric))
        };
        Ok(Self {
            metrics: chosen.into_iter().map(metric).collect::<Result<_, _>>()?,
        })
    }

    /// These metrics, of which some may not be listed.
    #[cfg(test)]
    pub(crate) fn of(metrics: Vec<(&'static MetricEntry, Box<dyn Metric>)>) -> Self {
        Self { metrics }
    }

    /// Divides settings into those of methods and those of metrics, which are always named for their
    /// metric.
    pub fn split(settings: &Settings) -> (Settings, Settings) {
        let is_of_metric = |setting: &str| {
            let (owner, _) = split(setting);
            owner.is_some_and(|owner| find::<MetricEntry>(owner).is_ok())
        };
        (
            those_of(settings, |name| !is_of_metric(name)),
            those_of(settings, is_of_metric),
        )
    }

    /// The metrics.
    pub fn entries(&self) -> impl Iterator<Item = &'static MetricEntry> {
        self.metrics.iter().map(|(entry, _)| *entry)
    }

    /// Those that cannot be measured unless it is known where the object is.
    pub fn needing_regions(&self) -> Vec<&'static str> {
        let needing = self.entries().filter(|e| e.needs == Needs::Region);
        needing.map(|entry| entry.name).collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// What they will ask of the picture itself.
    pub fn walks(&self) -> Walks {
        let walks = self.metrics.iter().map(|(_, metric)| metric.walks());
        walks.fold(Walks::default(), Walks::or)
    }

    /// Every metric's settings, for the record: by its name.
    pub fn parameters(&self) -> Map<String, Value> {
        let all = self.metrics.iter();
        all.map(|(entry, metric)| (entry.name.into(), metric.parameters().into()))
            .collect()
    }

    /// Measures a map by all of them; `tell` is told each metric's title before it begins. One that cannot
    /// be measured says why in its place.
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

/// What one metric found of one map.
#[derive(Clone)]
pub struct Checked {
    /// The metric.
    pub entry: &'static MetricEntry,
    /// Every setting of it.
    pub parameters: Map<String, Value>,
    /// What it found, or why it could not be measured.
    pub found: Result<Measurement, String>,
    /// How long it took.
    pub seconds: f64,
}

impl Checked {
    /// The figure, if it was measured.
    pub fn value(&self) -> Option<f64> {
        self.found.as_ref().ok().map(|found| found.value)
    }

    /// What a reader of the map must know: that the map does not pass, or that it could not be measured.
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

    /// As it stands in `explanation.json`.
    pub fn record(&self) -> Value {
        let reference = &self.entry.reference;
        let mut record = json!({
            "name": self.entry.name,
            "reference": format!(
                "{} {}, {}, {}",
                reference.authors, reference.year, reference.title, reference.published
            ),
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

    /// As a line of text: `symmetric relevance gain 0.31`.
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

    /// The line with what is good: `symmetric relevance gain 0.31 (higher is better)`.
    pub fn long_line(&self) -> String {
        match self.entry.better {
            _ if self.found.is_err() => self.line(),
            Better::Neither => self.line(),
            better => format!("{} ({} is better)", self.line(), better.word()),
        }
    }
}

/// A figure for people: three digits that count.
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
    fn figures_have_three_digits_that_count() {
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
    fn settings_go_to_the_metric_that_they_name() {
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
    fn an_unknown_metric_is_refused_with_the_nearest_name() {
        let error = Checks::metrics("sparsness").err().unwrap();
        assert!(error.to_string().contains("sparseness"), "{error}");
    }
}
