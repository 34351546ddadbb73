//! What will hurt when a network is trained on these pictures.
//!
//! [`audit`] reads every picture of a set once and asks every [`Kind`] of the list [`KINDS`] what it
//! finds. A new kind of finding is one file and one line.

mod copies;
mod exact_duplicates;
mod few;
mod grey;
mod groups;
mod imbalance;
mod layout;
mod look;
mod near;
mod near_duplicates;
mod shapes;
mod survey;
mod truncated;
mod unreadable;
mod value_range;

use std::path::{Path, PathBuf};

use dvm_image::Reading;
use regex_lite::Regex;
use serde::Serialize;

use crate::audit::survey::{Survey, Surveyed};
use crate::corpora::group_pattern;
use crate::prepare::Progress;
use crate::{Error, Split};

/// A kind of finding.
pub struct Kind {
    /// Its name in tables and JSON.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Looks for it.
    find: fn(&Survey, Option<&Regex>) -> Vec<Finding>,
}

/// All kinds.
pub static KINDS: &[Kind] = &[
    layout::LAYOUT,
    unreadable::UNREADABLE,
    exact_duplicates::EXACT_DUPLICATES,
    near_duplicates::NEAR_DUPLICATES,
    groups::LEAKED_GROUPS,
    few::FEW_PICTURES,
    truncated::TRUNCATED,
    value_range::VALUE_RANGE,
    imbalance::IMBALANCE,
    shapes::ODD_SIZES,
    grey::GREY_AMONG_COLOUR,
];

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Training stops at it, or figures of accuracy will be wrong.
    Serious,
    /// Accuracy suffers.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serious => "serious",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Name of its [`Kind`].
    pub kind: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, with numbers.
    pub what: String,
    /// What to do about it.
    pub advice: &'static str,
    /// The pictures it is about, those together that belong together; none if it is about classes.
    pub groups: Vec<Group>,
}

/// Pictures that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What is to be said of them; may be empty.
    pub detail: String,
    /// Which they are.
    pub pictures: Vec<Place>,
}

/// A picture and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// From the set's folder, if it lies within.
    pub path: PathBuf,
    /// Its split, in a set that is split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Name of its class.
    pub class: String,
}

/// All that was found in a set.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The set.
    pub folder: PathBuf,
    /// Whether it is split.
    pub is_split: bool,
    /// Names of its classes.
    pub classes: Vec<String>,
    /// Number of all pictures.
    pub pictures: usize,
    /// What was found, the most serious first.
    pub findings: Vec<Finding>,
}

/// Looks over a prepared data set, or a folder with one folder per class. `group`, if given, is a
/// pattern with one pair of parentheses that finds a picture's group in its file name, such as the
/// patient: no group should be in two splits. `progress` is told of every picture, from any thread.
///
/// Pictures are read in parallel; the report does not depend on the number of threads.
///
/// # Errors
/// What [`crate::Dataset::open`] fails with, [`Error::Setting`] for a pattern that is none. A picture
/// that cannot be read is a finding, no error.
pub fn audit(folder: &Path, group: Option<&str>, progress: Progress<'_>) -> Result<Report, Error> {
    audit_as(folder, group, &Reading::default(), progress)
}

/// As [`audit`], pictures being read as `reading` says.
///
/// # Errors
/// As [`audit`].
pub fn audit_as(
    folder: &Path,
    group: Option<&str>,
    reading: &Reading,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let group = group.map(group_pattern).transpose()?;
    let survey = Survey::of(folder, reading, progress)?;
    let kinds = KINDS.iter();
    let mut findings: Vec<Finding> = kinds
        .flat_map(|kind| (kind.find)(&survey, group.as_ref()))
        .collect();
    findings.sort_by_key(|finding| finding.severity);
    Ok(Report {
        folder: survey.folder,
        is_split: survey.is_split,
        classes: survey.classes,
        pictures: survey.pictures.len(),
        findings,
    })
}

impl Survey {
    fn place(&self, picture: &Surveyed) -> Place {
        let within = picture.path.strip_prefix(&self.folder);
        Place {
            path: within.unwrap_or(&picture.path).into(),
            split: self.is_split.then_some(picture.split),
            class: self.classes[picture.class].clone(),
        }
    }

    /// One picture with what is to be said of it.
    fn alone(&self, picture: &Surveyed, detail: impl Into<String>) -> Group {
        Group {
            detail: detail.into(),
            pictures: vec![self.place(picture)],
        }
    }
}

/// `1 picture`, `2 pictures`.
fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
