//! The list of all corpora. A new corpus is one file and one line in [`ALL`].

mod brain;
mod brain_mix;
mod flower_5;
mod folder;
mod pathology;
mod settings;
mod source;
mod triples;
mod volumes;

use std::path::{Path, PathBuf};

pub(crate) use folder::group_pattern;
pub use settings::{OptionSpec, Settings, Share};

use crate::Error;
use crate::prepare::Plan;

/// A kind of source that a data set can be prepared from.
pub struct Corpus {
    /// Its name on the command line.
    pub name: &'static str,
    /// A description of one line.
    pub summary: &'static str,
    /// The layout of the source and what is made from it, in a few sentences.
    pub rule: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// For a source with several data sets: the option that selects one, and their names.
    pub sets: Option<(&'static OptionSpec, Sets)>,
    /// Makes the plan of a source. Options of other corpora are ignored.
    pub plan: fn(source: &Path, settings: &Settings) -> Result<Plan, Error>,
}

/// Names of the data sets in a source.
pub type Sets = fn(source: &Path) -> Result<Vec<String>, Error>;

/// All corpora.
pub static ALL: &[Corpus] = &[
    folder::FOLDER,
    flower_5::FLOWER_5,
    brain::BRAIN,
    brain_mix::BRAIN_MIX,
    pathology::PATHOLOGY,
];

/// The corpus of this name.
pub fn find(name: &str) -> Option<&'static Corpus> {
    ALL.iter().find(|corpus| corpus.name == name)
}

impl Corpus {
    /// The data sets of a source: the folder of each within the destination (empty if there is only one), and
    /// its settings.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub fn sets(
        &self,
        source: &Path,
        settings: &Settings,
    ) -> Result<Vec<(PathBuf, Settings)>, Error> {
        match self.sets {
            Some((option, sets)) if settings.text(option.name).is_none() => Ok(sets(source)?
                .into_iter()
                .map(|name| {
                    (
                        PathBuf::from(&name),
                        settings.clone().with(option.name, name),
                    )
                })
                .collect()),
            _ => Ok(vec![(PathBuf::new(), settings.clone())]),
        }
    }

    /// The plan of a source, with all settings for its record.
    ///
    /// # Errors
    /// [`Error::Setting`] for an invalid value of an option, [`Error::Layout`] for a source without the
    /// expected layout, [`Error::File`] for a file that cannot be read.
    pub fn plan(&self, source: &Path, settings: &Settings) -> Result<Plan, Error> {
        let mut plan = (self.plan)(source, settings)?;
        for option in self.options {
            let value = settings.text(option.name).unwrap_or(option.default);
            if !value.is_empty() {
                plan.settings.insert(option.name.into(), value.into());
            }
        }
        Ok(plan)
    }
}
