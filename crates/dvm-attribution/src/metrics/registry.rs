//! The list of all metrics. A new metric is one file and one line in [`ALL`].

use dvm_options::words;

use super::{
    Metric, Recorded, complexity, deletion, efficient_randomisation, energy_inside, infidelity,
    insertion, max_sensitivity, model_randomisation, mu_fidelity, pixel_flipping, pointing_game,
    random_logit, rank_accuracy, region_perturbation, road, sparseness, symmetric_relevance_gain,
};
use crate::registry::Reference;
use crate::{OptionReader, OptionSpec, SettingError, Settings};

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
    /// Makes it from the options that it reads.
    pub build: fn(&mut OptionReader) -> Result<Box<dyn Metric>, SettingError>,
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

words! {
    /// Which figures of a metric are good; the words are those of lists.
    pub enum Better {
        /// High ones.
        Higher = "higher",
        /// Low ones.
        Lower = "lower",
        /// Neither: the figure describes the map, not its quality.
        Neither = "neither",
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
    symmetric_relevance_gain::SYMMETRIC_RELEVANCE_GAIN,
    deletion::DELETION,
    insertion::INSERTION,
    pixel_flipping::PIXEL_FLIPPING,
    region_perturbation::REGION_PERTURBATION,
    road::ROAD,
    mu_fidelity::MU_FIDELITY,
    infidelity::INFIDELITY,
    max_sensitivity::MAX_SENSITIVITY,
    model_randomisation::MODEL_RANDOMISATION,
    efficient_randomisation::EFFICIENT_MODEL_RANDOMISATION,
    random_logit::RANDOM_LOGIT,
    pointing_game::POINTING_GAME,
    energy_inside::ENERGY_INSIDE,
    rank_accuracy::RANK_ACCURACY,
    sparseness::SPARSENESS,
    complexity::COMPLEXITY,
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
        let mut options = OptionReader::new(self.options, settings);
        let metric = (self.build)(&mut options)?;
        Ok(Box::new(Recorded {
            metric,
            parameters: options.into_record(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::tests::check_options;

    #[test]
    fn the_defaults_in_the_list_are_those_of_the_metric_and_in_its_record() {
        for entry in ALL {
            check_options(entry.name, entry.options, |settings| {
                entry.metric(settings).unwrap().parameters()
            });
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
