//! Where a network looks, over a whole data set.
//!
//! [`Classifier::survey`] makes a map of every picture and gathers them by class: the mean map, what corners,
//! borders and middle hold of it, clusters of maps (strategies), outliers. Where the maps of one class concentrate
//! in a place outside the middle far more than those of other classes do, the place is tested: covered, and copied
//! onto pictures of other classes. If that changes the probability of the class, it is a warning
//! ([`Finding::is_confirmed`]).

mod clusters;
mod confirm;
mod findings;
mod gathering;
mod maps;
mod mean_maps;
mod outliers;
mod pass;
mod places;
mod report;

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use dvm_data::{Dataset, Split};
use serde::Serialize;
use serde_json::{Map, Value};

pub use confirm::Tested;
pub use findings::Finding;
pub use mean_maps::MeanMap;
pub use outliers::OUTLIER;
pub(crate) use pass::is_of_picture;
pub use places::{GRID, PARTS, Place};
pub use report::check_folder;

use crate::{ClassChoice, Classifier, Error, Explain, Source};

/// The method that a survey uses unless told otherwise: one walk forward and a short one back.
pub const DEFAULT_SURVEY_METHOD: &str = "grad-cam";

/// Pictures of each class that are surveyed unless told otherwise.
pub const DEFAULT_SURVEY_LIMIT: usize = 200;

/// What to survey, and how.
pub struct SurveyOptions {
    /// The method, with its settings: the first of these; its memory.
    pub explain: Explain,
    /// Which class of each picture is explained.
    pub about: SurveyedClass,
    /// Pictures of each class at most, drawn by the seed; of pictures without labels, of each predicted
    /// class. `None` for all.
    pub limit: Option<usize>,
    /// Where all random choices begin.
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

/// Which class of a picture its map explains, and so which class the map counts for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SurveyedClass {
    /// The most probable one; the map counts for it, also if the picture is of another class.
    #[default]
    Predicted,
    /// The one that the picture is of.
    True,
    /// The same one for all pictures; a map counts for the class that its picture is of, or, without labels,
    /// that is predicted.
    Named(String),
}

impl FromStr for SurveyedClass {
    type Err = Infallible;

    /// `top` is the predicted one, `true` the one that the picture is of, all else a name or index.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "top" => Self::Predicted,
            "true" => Self::True,
            name => Self::Named(name.into()),
        })
    }
}

/// A picture to be surveyed.
#[derive(Clone, Debug)]
pub struct SurveyPicture {
    /// Where it comes from.
    pub source: Source,
    /// The class that it is of, by the network's own list, if that is known.
    pub label: Option<usize>,
}

/// What happens while a survey is made.
pub enum SurveyEvent<'a> {
    /// So much of a step is done.
    Progress {
        /// What is done: `maps` or `tests`.
        step: &'static str,
        /// Pictures.
        done: usize,
        /// All of them.
        all: usize,
    },
    /// A picture is left out.
    Failed {
        /// The picture.
        source: &'a Source,
        /// Why.
        error: &'a Error,
    },
}

/// Where a network looks, over a set of pictures.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// The network.
    pub model: Value,
    /// Name of the method that made the maps.
    pub method: &'static str,
    /// Its settings.
    pub parameters: Map<String, Value>,
    /// All other settings.
    pub settings: Settings,
    /// Rows and columns of what the network sees of a picture.
    pub crop: (usize, usize),
    /// Whether it is known what each picture shows.
    pub labelled: bool,
    /// Pictures that were left out because of the limit.
    pub beyond_limit: usize,
    /// Each class with a picture, in the network's order.
    pub classes: Vec<ClassSurvey>,
    /// Places where the maps of a class concentrate; those that are confirmed are warnings.
    pub findings: Vec<Finding>,
    /// Every picture, in the order in which they were given.
    pub pictures: Vec<SurveyedPicture>,
    /// Pictures that could not be surveyed, and why.
    pub failed: Vec<(PathBuf, String)>,
    /// What a reader must know.
    pub warnings: Vec<String>,
}

/// The settings of a survey.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Which class is explained: `predicted`, `true`, or a name.
    pub about: String,
    /// Pictures of each class at most.
    pub limit: Option<usize>,
    /// Where random choices begin.
    pub seed: u64,
    /// Rows and columns of the grid that maps are compared on.
    pub grid: usize,
    /// How pictures are made comparable.
    pub normalisation: &'static str,
    /// Robust z from which a map is an outlier.
    pub outlier: f64,
    /// Clusters at most.
    pub most_clusters: usize,
    /// Maps that the graph of a class holds at most.
    pub most_in_graph: usize,
    /// Relevance of a suspicious place relative to its area and to other classes, at least.
    pub many_times: f64,
    /// Pictures that a place is tested on at most.
    pub tested: usize,
    /// Change of a probability at least, for a warning.
    pub least_effect: f64,
}

/// Where the network looks for one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassSurvey {
    /// Its index.
    pub class: usize,
    /// Its name.
    pub name: String,
    /// Pictures whose map counts for it.
    pub pictures: usize,
    /// Those whose map says nothing for the class, which count in no mean.
    pub empty: usize,
    /// Those that the network recognised, if it is known what they show.
    pub right: Option<usize>,
    /// Maps of all other classes that say something.
    pub other_maps: usize,
    /// Whether places were judged: for a warning a class and all others together need ten maps each.
    pub is_judged: bool,
    /// Share of the relevance in each of [`PARTS`], in the mean, 0 … 1.
    pub energies: [f64; 9],
    /// The same of the pictures of all other classes; `None` if there are none.
    pub other_energies: Option<[f64; 9]>,
    /// The mean of its maps, `[16, 16]`; the shares add up to 1.
    pub cells: Vec<f32>,
    /// The mean map and the mean picture.
    #[serde(skip)]
    pub mean: Option<MeanMap>,
    /// Its clusters, the largest first.
    pub clusters: Vec<ClusterSurvey>,
    /// The smallest eigenvalues of the normalised Laplacian of the graph of its maps; the largest gap after the
    /// n-th of them makes n clusters.
    pub eigenvalues: Vec<f64>,
    /// Maps in that graph.
    pub in_graph: usize,
    /// How many of its nearest each was joined with.
    pub neighbours: usize,
    /// Maps that are far from all others.
    pub outliers: usize,
}

/// Maps of a class that are alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterSurvey {
    /// Number of pictures.
    pub pictures: usize,
    /// Share of the relevance in each of [`PARTS`], in the mean.
    pub energies: [f64; 9],
    /// The mean of its maps, `[16, 16]`.
    pub cells: Vec<f32>,
}

/// What was found of one picture.
#[derive(Clone, Debug, Serialize)]
pub struct SurveyedPicture {
    /// Its position among those that were given.
    #[serde(skip)]
    pub position: usize,
    /// Its file.
    pub path: PathBuf,
    /// Which slice of its file it is, if that has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<usize>,
    /// The class that it is of, if that is known.
    pub label: Option<usize>,
    /// The most probable class.
    pub predicted: usize,
    /// Its probability.
    pub probability: f32,
    /// The class that the map explains.
    pub explained: usize,
    /// The class that the map counts for.
    pub counts_for: usize,
    /// Its map, as shares of the relevance in cells `[16, 16]`; `None` if it says nothing for the class.
    #[serde(skip)]
    pub cells: Option<Vec<f32>>,
    /// Its cluster within the class, from 0.
    pub cluster: Option<usize>,
    /// How far its map is from the others of the class, as a robust z.
    pub outlier: f64,
    /// Whether that is further than [`OUTLIER`].
    pub is_outlier: bool,
    /// The share of its relevance in the place of a confirmed finding about its class, if it looks there.
    pub at_finding: Option<f64>,
    /// Whether it was recognised, and the network looks at the place of a confirmed finding: right for the wrong
    /// reason.
    pub is_for_wrong_reason: bool,
}

impl Survey {
    /// The findings that are warnings: covering or copying the place has shown that it is a cause.
    pub fn confirmed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_confirmed)
    }

    /// That there is no warning, and what was not judged; half a sentence. `None` if there is a warning.
    pub fn no_warning(&self) -> Option<String> {
        const NAMED: usize = 10;
        if self.confirmed().next().is_some() {
            return None;
        }
        let not_judged = self.classes.iter().filter(|class| !class.is_judged);
        let not_judged: Vec<&str> = not_judged.map(|class| &class.name[..]).collect();
        let needed = "a class and all others together need 10 maps each";
        if not_judged.len() == self.classes.len() {
            return Some(format!("no place was judged, because {needed}"));
        }
        let mut words = String::from(
            "no place outside the middle of the picture was found that one class depends on",
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
    /// The pictures of a split, with their classes by the network's own list.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are none, or classes that the network does not know.
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

    /// Surveys where the network looks in these pictures. One that cannot be read is told, and the others are
    /// surveyed.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no picture, or for a class that the network does not have; what keeps the
    /// network or the method from working; the error of the first picture if none can be surveyed.
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
        gathering::survey(self, pictures, options, named, tell)
    }
}
