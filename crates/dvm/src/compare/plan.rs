//! What is compared, and how.

use std::collections::BTreeSet;
use std::sync::Arc;

use dvm_attribution::metrics::controls::CONTROLS;
use dvm_attribution::metrics::registry::{self, MetricEntry};
use dvm_attribution::registry::MethodEntry;
use dvm_attribution::{Method, SettingError, Settings, Walks};
use dvm_train::metrics::Bootstrap;
use serde_json::Value;

use super::answer::HEADLINE;
use super::lines::{Plan, PlannedMethod, PlannedMetric, PlannedPicture, PlannedRegions};
use super::pictures::Compared;
use crate::chosen::{Chosen, built, check_settings, filtered, named};
use crate::regions::Regions;
use crate::{Checks, ClassChoice, Classifier, Error};

/// The default methods: the most used of each family.
pub const USUAL_METHODS: &str =
    "gradient,guided-backprop,integrated-gradients,grad-cam,layer-cam,occlusion";

/// The metrics of [`Checks::USUAL`] in a comparison, separated by commas: the deciding metric first.
pub fn usual_metrics() -> String {
    let usual = [
        HEADLINE,
        "deletion",
        "insertion",
        "sparseness",
        "model-randomisation",
    ];
    let known = usual
        .into_iter()
        .filter(|name| registry::find(name).is_some());
    known.collect::<Vec<_>>().join(",")
}

/// The option for the seed of random numbers.
const SEED: &str = "seed";

/// The methods and metrics of a comparison, with their settings.
pub struct Compare {
    methods: Chosen<MethodEntry>,
    checks: Checks,
    seed: u64,
    /// The explained class of each picture.
    pub class: ExplainedClass,
    /// Memory limit for activations, in bytes.
    pub memory: usize,
    /// Whether occlusion and metrics compute only the part that a change can reach.
    pub incremental: bool,
    /// Number of resamples for the intervals.
    pub resamples: usize,
    /// The boxes or masks of objects, for the metrics that need them.
    pub regions: Option<Regions>,
}

/// The explained class of a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExplainedClass {
    /// The most probable class.
    #[default]
    Top,
    /// The true class.
    True,
    /// The class of this name, or else of this index, for all pictures.
    Named(String),
}

impl ExplainedClass {
    fn word(&self) -> &str {
        match self {
            Self::Top => "top",
            Self::True => "true",
            Self::Named(name) => name,
        }
    }
}

/// A method or a control.
pub(super) struct Contestant {
    pub name: &'static str,
    pub title: &'static str,
    pub is_control: bool,
    pub method: Arc<dyn Method>,
}

impl Compare {
    /// These methods and metrics, each list separated by commas, with the settings of their options.
    /// [`Checks::USUAL`] stands for [`usual_metrics`]. A setting `method.option` is for one method and overrides
    /// `option`; settings of metrics are always `metric.option`. `seed` is for everything random: the choice of
    /// pictures, the random control, the intervals, and all methods and metrics that use random numbers.
    ///
    /// # Errors
    /// [`Error::Usage`] for a method or metric that does not exist or is named twice, or an option that none of
    /// them has; [`Error::Setting`] for an invalid value.
    pub fn new(methods: &str, metrics: &str, settings: &Settings) -> Result<Self, Error> {
        let usual = usual_metrics();
        let metrics = match metrics.trim() {
            Checks::USUAL => &usual,
            metrics => metrics,
        };
        let seed = settings.text(SEED).unwrap_or("0");
        let seed: u64 = seed.parse().map_err(|_| SettingError {
            option: SEED.into(),
            value: seed.into(),
            expected: "must be a whole number, 0 or more".into(),
        })?;
        let (mut of_methods, mut of_metrics) = Checks::split(settings);
        let chosen = named::<MethodEntry>(methods)?;
        if !chosen.iter().any(|entry| entry.takes(SEED)) {
            of_methods = filtered(&of_methods, |name| name != SEED);
        }
        check_settings(&chosen, &of_methods)?;
        for entry in named::<MetricEntry>(metrics)? {
            let own = format!("{}.{SEED}", entry.name);
            if entry.takes(SEED) && of_metrics.text(&own).is_none() {
                of_metrics = of_metrics.with(&own, seed);
            }
        }
        let checks = Checks::with_settings(metrics, &of_metrics)?;
        Ok(Self {
            methods: built(chosen, &of_methods)?,
            checks,
            seed,
            class: ExplainedClass::Top,
            memory: 1 << 30,
            incremental: true,
            resamples: Bootstrap::default().resamples,
            regions: None,
        })
    }

    /// The seed of random numbers.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Sets the metrics.
    #[cfg(test)]
    pub(super) fn with_checks(self, checks: Checks) -> Self {
        Self { checks, ..self }
    }

    pub(super) fn checks(&self) -> &Checks {
        &self.checks
    }

    pub(super) fn bootstrap(&self) -> Bootstrap {
        Bootstrap {
            resamples: self.resamples,
            seed: self.seed,
            ..Bootstrap::default()
        }
    }

    /// The methods in the given order, then the controls for the picture of this number: the random control
    /// differs between pictures.
    pub(super) fn contestants(&self, number: usize) -> Vec<Contestant> {
        let asked = self.methods.iter().map(|(entry, method)| Contestant {
            name: entry.name,
            title: entry.title,
            is_control: false,
            method: method.clone(),
        });
        let seed = self.seed.wrapping_add(number as u64);
        let controls = CONTROLS.iter().map(|control| Contestant {
            name: control.name,
            title: control.title,
            is_control: true,
            method: (control.build)(seed).into(),
        });
        asked.chain(controls).collect()
    }

    /// The walks over the network that these methods and the metrics need.
    pub(super) fn walks(&self, contestants: &[Contestant]) -> Walks {
        let walks = contestants.iter().map(|one| one.method.walks());
        walks.fold(self.checks.walks(), Walks::or)
    }

    /// The plan: everything that the values depend on.
    pub(super) fn plan(
        &self,
        classifier: &Classifier,
        pictures: &[Compared],
    ) -> Result<Plan, Error> {
        if pictures.is_empty() {
            let why = "there are no pictures to compare methods on";
            return Err(Error::Usage(why.into()));
        }
        self.check_class(classifier, pictures)?;
        self.check_regions(pictures)?;
        let methods = self.contestants(0).into_iter().map(|one| PlannedMethod {
            name: one.name.into(),
            title: one.title.into(),
            control: one.is_control,
            parameters: one.method.parameters(),
        });
        let mut parameters = self.checks.parameters();
        let metrics = self.checks.entries().map(|entry| PlannedMetric {
            name: entry.name.into(),
            title: entry.title.into(),
            better: entry.better.word().into(),
            parameters: match parameters.remove(entry.name) {
                Some(Value::Object(parameters)) => parameters,
                _ => serde_json::Map::new(),
            },
        });
        let planned = pictures.iter().map(|picture| PlannedPicture {
            file: picture.source.path().display().to_string(),
            slice: picture.source.slice(),
            sha256: picture.source.sha256().ok(),
            true_class: picture.true_class.clone(),
        });
        Ok(Plan {
            dvm: env!("CARGO_PKG_VERSION").into(),
            model: classifier.record(),
            class: self.class.word().into(),
            seed: self.seed,
            memory: self.memory,
            incremental: self.incremental,
            regions: self.regions.as_ref().map(|regions| PlannedRegions {
                path: regions.path().display().to_string(),
                sha256: dvm_fetch::sha256_of(regions.path()).ok(),
            }),
            methods: methods.collect(),
            metrics: metrics.collect(),
            pictures: planned.collect(),
        })
    }

    /// Returns an error if a metric needs regions and there are none.
    fn check_regions(&self, pictures: &[Compared]) -> Result<(), Error> {
        match (&self.regions, &self.checks.needing_regions()[..]) {
            (None, [first, ..]) => Err(Error::Usage(format!(
                "metric `{first}` needs to know where the object is; give boxes or masks, or leave out the metric"
            ))),
            (None, []) => Ok(()),
            (Some(regions), _) => {
                let paths = pictures.iter().map(|picture| picture.source.path());
                Ok(regions.check_pictures(paths)?)
            }
        }
    }

    /// Returns an error for a class that is not known, before anything is measured.
    fn check_class(&self, classifier: &Classifier, pictures: &[Compared]) -> Result<(), Error> {
        match &self.class {
            ExplainedClass::Top => Ok(()),
            ExplainedClass::Named(name) => {
                let choice = ClassChoice::Named(name.clone());
                choice.resolve(classifier.classes(), 0).map(|_| ())
            }
            ExplainedClass::True => {
                let without = pictures.iter().find(|picture| picture.true_class.is_none());
                if let Some(picture) = without {
                    return Err(Error::Usage(format!(
                        "{}: the true class is not known; put the picture into a folder with the name of its \
                         class, or explain the most probable class",
                        picture.source.path().display()
                    )));
                }
                let classes = pictures.iter().filter_map(|p| p.true_class.clone());
                for class in classes.collect::<BTreeSet<_>>() {
                    ClassChoice::Named(class).resolve(classifier.classes(), 0)?;
                }
                Ok(())
            }
        }
    }
}
