//! The list of all metrics. A new metric is one file and one line in [`ALL`].

use super::Metric;
use super::complexity::COMPLEXITY;
use super::deletion::DELETION;
use super::efficient_randomisation::EFFICIENT_MODEL_RANDOMISATION;
use super::energy_inside::ENERGY_INSIDE;
use super::infidelity::INFIDELITY;
use super::insertion::INSERTION;
use super::max_sensitivity::MAX_SENSITIVITY;
use super::model_randomisation::MODEL_RANDOMISATION;
use super::mu_fidelity::MU_FIDELITY;
use super::pixel_flipping::PIXEL_FLIPPING;
use super::pointing_game::POINTING_GAME;
use super::random_logit::RANDOM_LOGIT;
use super::rank_accuracy::RANK_ACCURACY;
use super::region_perturbation::REGION_PERTURBATION;
use super::road::ROAD;
use super::sparseness::SPARSENESS;
use super::symmetric_relevance_gain::SYMMETRIC_RELEVANCE_GAIN;
use crate::registry::Reference;
use crate::{OptionSpec, SettingError, Settings};

/// A metric: its description, and how it is made.
pub struct MetricEntry {
    /// The name by which it is selected.
    pub name: &'static str,
    /// The title of its figures.
    pub title: &'static str,
    /// What it measures, in one sentence.
    pub summary: &'static str,
    /// Where it was published.
    pub reference: Reference,
    /// Which question it answers.
    pub question: Question,
    /// Which figures are good.
    pub better: Better,
    /// What it needs besides the map.
    pub needs: Needs,
    /// The number of passes through the network for one map.
    pub cost: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// Makes it from the options given; ignores those of other metrics.
    pub build: fn(&Settings) -> Result<Box<dyn Metric>, SettingError>,
}

/// The question that a metric answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Do the pixels that the map calls relevant change the output?
    Faithfulness,
    /// Is the map stable when the picture hardly changes?
    Robustness,
    /// Does the map depend on what the network learned, and on the class?
    Randomisation,
    /// Is the map on the object?
    Localisation,
    /// Is the relevance concentrated in few pixels?
    Simplicity,
}

impl Question {
    /// All of them, in the order of the lists.
    pub const ALL: [Self; 5] = [
        Self::Faithfulness,
        Self::Robustness,
        Self::Randomisation,
        Self::Localisation,
        Self::Simplicity,
    ];

    /// Its name in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Faithfulness => "faithfulness",
            Self::Robustness => "robustness",
            Self::Randomisation => "randomisation",
            Self::Localisation => "localisation",
            Self::Simplicity => "simplicity",
        }
    }

    /// The question as a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Faithfulness => {
                "Do the pixels that the map calls relevant change the network's output?"
            }
            Self::Robustness => "Is the map stable when the picture hardly changes?",
            Self::Randomisation => {
                "Does the map depend on what the network learned, and on the class?"
            }
            Self::Localisation => "Is the map on the object?",
            Self::Simplicity => "Is the relevance concentrated in few pixels?",
        }
    }
}

/// Which figures of a metric are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// High ones.
    Higher,
    /// Low ones.
    Lower,
    /// Neither: the figure describes the map, not its quality.
    Neither,
}

impl Better {
    /// Its word in lists.
    pub fn word(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
            Self::Neither => "neither",
        }
    }
}

/// What a metric needs besides the map, the network and the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Map,
    /// The method, to make further maps.
    Method,
    /// The region of the object.
    Region,
}

/// All metrics.
pub static ALL: &[MetricEntry] = &[
    SYMMETRIC_RELEVANCE_GAIN,
    DELETION,
    INSERTION,
    PIXEL_FLIPPING,
    REGION_PERTURBATION,
    ROAD,
    MU_FIDELITY,
    INFIDELITY,
    MAX_SENSITIVITY,
    MODEL_RANDOMISATION,
    EFFICIENT_MODEL_RANDOMISATION,
    RANDOM_LOGIT,
    POINTING_GAME,
    ENERGY_INSIDE,
    RANK_ACCURACY,
    SPARSENESS,
    COMPLEXITY,
];

/// The metric with this name.
pub fn find(name: &str) -> Option<&'static MetricEntry> {
    ALL.iter().find(|entry| entry.name == name)
}

impl MetricEntry {
    /// Whether it has an option with this name.
    pub fn takes(&self, option: &str) -> bool {
        self.options.iter().any(|spec| spec.name == option)
    }

    /// Makes the metric.
    ///
    /// # Errors
    /// [`SettingError`] for an invalid value of an option.
    pub fn metric(&self, settings: &Settings) -> Result<Box<dyn Metric>, SettingError> {
        (self.build)(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_in_the_list_are_those_of_the_metric() {
        for entry in ALL {
            let plain = entry.metric(&Settings::new()).unwrap().parameters();
            let mut spelled_out = Settings::new();
            for option in entry.options {
                spelled_out = spelled_out.with(option.name, option.default);
            }
            let spelled_out = entry.metric(&spelled_out).unwrap().parameters();
            assert_eq!(plain, spelled_out, "{}", entry.name);
        }
    }

    #[test]
    fn every_option_is_written_into_the_record() {
        for entry in ALL {
            let record = entry.metric(&Settings::new()).unwrap().parameters();
            for option in entry.options {
                assert!(
                    record.contains_key(option.name),
                    "{} {}",
                    entry.name,
                    option.name
                );
            }
        }
    }

    #[test]
    fn no_metric_has_the_name_of_a_method_or_of_another_metric() {
        for (index, entry) in ALL.iter().enumerate() {
            assert!(
                crate::registry::find(entry.name).is_none(),
                "{}",
                entry.name
            );
            assert!(
                ALL[..index].iter().all(|e| e.name != entry.name),
                "{}",
                entry.name
            );
        }
    }
}
