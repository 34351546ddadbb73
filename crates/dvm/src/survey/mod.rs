//! Where a network looks in a whole data set.
//!
//! [`Classifier::survey`] makes a map of every picture and summarises the maps of each class: the mean map, the
//! shares of corners, borders and middle, clusters of maps (strategies), and outliers. If the maps of one class
//! concentrate in a place outside the middle much more than those of other classes, the place is tested: it is
//! covered, and copied onto pictures of other classes. If that changes the probability of the class, it is a
//! warning ([`Finding::is_confirmed`]).

mod clusters;
mod confirm;
mod findings;
mod maps;
mod mean_maps;
mod outliers;
mod picture_map;
mod places;
mod report;
mod state;

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use dvm_data::{Dataset, Split};
use serde::Serialize;
use serde_json::{Map, Value};

pub use confirm::PlaceEffect;
pub use findings::Finding;
pub use mean_maps::MeanMap;
pub use outliers::OUTLIER;
pub(crate) use picture_map::is_of_picture;
pub use places::{GRID, PARTS, Place};
pub use report::check_folder;

use crate::{ClassChoice, Classifier, Error, Explain, Source};

/// The default method of a survey: one walk forward and a short walk back.
pub const DEFAULT_SURVEY_METHOD: &str = "grad-cam";

/// The default maximum number of pictures of each class.
pub const DEFAULT_SURVEY_LIMIT: usize = 200;

/// Settings of a survey.
pub struct SurveyOptions {
    /// The first of these methods is used, with its settings and the memory limit.
    pub explain: Explain,
    /// The explained class of each picture.
    pub about: SurveyedClass,
    /// The maximum number of pictures of each class (without labels, of each predicted class), chosen at random
    /// by the seed. `None` for all.
    pub limit: Option<usize>,
    /// Seed of all random choices.
    pub seed: u64,
}

impl Default for SurveyOptions {
    /// [`DEFAULT_SURVEY_METHOD`] of the predicted class, for [`DEFAULT_SURVEY_LIMIT`] pictures of each class.
    fn default() -> Self {
        Self {
            explain: Explain::methods(DEFAULT_SURVEY_METHOD).expect("it is registered"),
            about: SurveyedClass::default(),
            limit: Some(DEFAULT_SURVEY_LIMIT),
            seed: 0,
        }
    }
}

/// The class that the map of a picture explains, which decides the class that the map counts for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SurveyedClass {
    /// The most probable class. The map counts for it, even if the true class is another.
    #[default]
    Predicted,
    /// The true class.
    True,
    /// One class for all pictures. A map counts for the true class of its picture or, without labels, for the
    /// predicted class.
    Named(String),
}

impl FromStr for SurveyedClass {
    type Err = Infallible;

    /// `top` is the predicted class, `true` the true class; anything else is a name or index.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "top" => Self::Predicted,
            "true" => Self::True,
            name => Self::Named(name.into()),
        })
    }
}

/// A picture of a survey.
#[derive(Clone, Debug)]
pub struct SurveyPicture {
    /// Its source.
    pub source: Source,
    /// The index of its true class in the network, if known.
    pub label: Option<usize>,
}

/// What happens while a survey is made.
pub enum SurveyEvent<'a> {
    /// The progress of a step.
    Progress {
        /// The step: `maps` or `tests`.
        step: &'static str,
        /// Pictures that are done.
        done: usize,
        /// All pictures.
        all: usize,
    },
    /// A picture is left out.
    Failed {
        /// Its source.
        source: &'a Source,
        /// Why.
        error: &'a Error,
    },
}

/// Where a network looks in a set of pictures.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// The network.
    pub model: Value,
    /// Name of the method that made the maps.
    pub method: &'static str,
    /// Its settings.
    pub parameters: Map<String, Value>,
    /// All other settings.
    pub settings: SurveySettings,
    /// Rows and columns of the crop.
    pub crop: (usize, usize),
    /// Whether the true class of each picture is known.
    pub labelled: bool,
    /// Pictures that were left out because of the limit.
    pub beyond_limit: usize,
    /// Each class that has pictures, in the network's order.
    pub classes: Vec<ClassSurvey>,
    /// Places where the maps of a class concentrate; those that are confirmed are warnings.
    pub findings: Vec<Finding>,
    /// All pictures in the given order.
    pub pictures: Vec<SurveyedPicture>,
    /// Pictures that could not be used, and why.
    pub failed: Vec<(PathBuf, String)>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// The settings of a survey, for its record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SurveySettings {
    /// The explained class: `predicted`, `true`, or a name.
    pub about: String,
    /// The maximum number of pictures of each class.
    pub limit: Option<usize>,
    /// Seed of random choices.
    pub seed: u64,
    /// Rows and columns of the grid of cells.
    pub grid: usize,
    /// How maps are normalised.
    pub normalisation: &'static str,
    /// Robust z-score from which a map is an outlier.
    pub outlier: f64,
    /// The maximum number of clusters.
    pub most_clusters: usize,
    /// The maximum number of maps in the graph of a class.
    pub most_in_graph: usize,
    /// The minimum relevance of a suspicious place relative to its area and to other classes.
    pub many_times: f64,
    /// The maximum number of pictures that a place is tested on.
    pub tested: usize,
    /// The minimum change of probability for a warning.
    pub least_effect: f64,
}

/// Where the network looks for one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassSurvey {
    /// Its index.
    pub class: usize,
    /// Its name.
    pub name: String,
    /// Pictures whose maps count for it.
    pub pictures: usize,
    /// Pictures whose maps have no positive relevance for the class; means leave them out.
    pub empty: usize,
    /// Pictures with the right prediction, if true classes are known.
    pub right: Option<usize>,
    /// Maps of all other classes with positive relevance.
    pub other_maps: usize,
    /// Whether places were judged: the class and all others together need ten maps each.
    pub is_judged: bool,
    /// Mean share of the relevance in each of [`PARTS`], 0 … 1.
    pub energies: [f64; 9],
    /// The same for all other classes; `None` if there are none.
    pub other_energies: Option<[f64; 9]>,
    /// The mean of its maps, `[16, 16]`, with the sum 1.
    pub cells: Vec<f32>,
    /// The mean map and the mean picture.
    #[serde(skip)]
    pub mean: Option<MeanMap>,
    /// Its clusters, the largest first.
    pub clusters: Vec<ClusterSurvey>,
    /// The smallest eigenvalues of the normalised Laplacian of the graph of its maps; if the largest gap is after
    /// the n-th, there are n clusters.
    pub eigenvalues: Vec<f64>,
    /// Maps in that graph.
    pub in_graph: usize,
    /// The number of nearest maps that each is connected with.
    pub neighbours: usize,
    /// Outliers: maps that differ from all others.
    pub outliers: usize,
}

/// A cluster of similar maps of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterSurvey {
    /// Number of pictures.
    pub pictures: usize,
    /// Mean share of the relevance in each of [`PARTS`].
    pub energies: [f64; 9],
    /// The mean of its maps, `[16, 16]`.
    pub cells: Vec<f32>,
}

/// The results of one picture.
#[derive(Clone, Debug, Serialize)]
pub struct SurveyedPicture {
    /// Its position in the given pictures.
    #[serde(skip)]
    pub position: usize,
    /// Its file.
    pub path: PathBuf,
    /// The index of its slice, if the file has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<usize>,
    /// Its true class, if known.
    pub label: Option<usize>,
    /// The most probable class.
    pub predicted: usize,
    /// Its probability.
    pub probability: f32,
    /// The class that the map explains.
    pub explained: usize,
    /// The class that the map counts for.
    pub counts_for: usize,
    /// Its map as shares of the relevance in cells `[16, 16]`; `None` without positive relevance.
    #[serde(skip)]
    pub cells: Option<Vec<f32>>,
    /// Its cluster within the class, from 0.
    pub cluster: Option<usize>,
    /// The distance of its map from the others of the class, as a robust z-score.
    pub outlier: f64,
    /// Whether that is greater than [`OUTLIER`].
    pub is_outlier: bool,
    /// The share of its relevance in the place of a confirmed finding, if the network looks there.
    pub at_finding: Option<f64>,
    /// Whether it is right for the wrong reason: the prediction is right, but the network looks at the place of a
    /// confirmed finding.
    pub is_for_wrong_reason: bool,
}

impl Survey {
    /// The findings that are warnings: covering or copying the place changes the probability.
    pub fn confirmed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_confirmed)
    }

    /// Why there is no warning, and the classes that were not judged; without a full stop. `None` if there is a warning.
    pub fn no_warning(&self) -> Option<String> {
        const NAMED: usize = 10;
        if self.confirmed().next().is_some() {
            return None;
        }
        let not_judged = self.classes.iter().filter(|class| !class.is_judged);
        let not_judged: Vec<&str> = not_judged.map(|class| &class.name[..]).collect();
        let needed = "the class and all other classes together need 10 maps each";
        if not_judged.len() == self.classes.len() {
            return Some(format!("no place was judged, because {needed}"));
        }
        let mut words = String::from(
            "no class was found to depend on a place outside the middle of the picture",
        );
        if !not_judged.is_empty() {
            let more = if not_judged.len() > NAMED {
                ", …"
            } else {
                ""
            };
            let first = not_judged[..not_judged.len().min(NAMED)].join("`, `");
            words += &format!("; not judged, because {needed}: `{first}`{more}");
        }
        Some(words)
    }

    /// Pictures that are right for the wrong reason.
    pub fn for_wrong_reason(&self) -> impl Iterator<Item = &SurveyedPicture> {
        self.pictures
            .iter()
            .filter(|picture| picture.is_for_wrong_reason)
    }
}

impl Classifier {
    /// The pictures of a split with their true classes.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are none, or if the network does not have one of the classes.
    pub fn survey_pictures(
        &self,
        data: &Dataset,
        split: Split,
    ) -> Result<Vec<SurveyPicture>, Error> {
        let samples = self.labelled(data, split)?.into_iter();
        let picture = |sample: dvm_data::Sample| SurveyPicture {
            source: Source::File(sample.path),
            label: Some(sample.class),
        };
        Ok(samples.map(picture).collect())
    }

    /// Surveys where the network looks in these pictures. A picture that cannot be read is reported and left out.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are no pictures, or for an unknown class; errors of the network or the method;
    /// the error of the first picture if none can be used.
    pub fn survey(
        &self,
        pictures: &[SurveyPicture],
        options: &SurveyOptions,
        tell: &mut dyn FnMut(SurveyEvent),
    ) -> Result<Survey, Error> {
        let named = match &options.about {
            SurveyedClass::Named(name) => {
                let choice = ClassChoice::Named(name.clone());
                Some(choice.resolve(self.classes(), 0)?[0])
            }
            _ => None,
        };
        state::survey(self, pictures, options, named, tell)
    }
}
