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
    /// The name to ask for it by.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// What the source looks like and what is done with it, in a few sentences.
    pub rule: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// For a source that holds several data sets, their names and the option that chooses one.
    pub sets: Option<(&'static OptionSpec, Sets)>,
    /// Looks at the source and decides what goes where; options of other corpora are ignored.
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
    /// The data sets to make of a source: where in the destination each goes (nowhere but into it, if
    /// there is one only), and the settings to plan it with.
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

    /// The plan for a source, with what was asked for in its record.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that an option does not take, [`Error::Layout`] for a source
    /// that is not as the corpus expects, [`Error::File`] for what cannot be read.
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
