//! Finds problems of a data set before training.
//!
//! [`audit`] reads each picture once and runs each [`Kind`] of the list [`KINDS`]. A new kind of finding is
//! one file and one line.

mod appearance;
mod copies;
mod exact_duplicates;
mod few;
mod grey;
mod groups;
mod imbalance;
mod layout;
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

use crate::audit::survey::{Survey, SurveyedPicture};
use crate::corpora::group_pattern;
use crate::prepare::Progress;
use crate::{Error, Split};

/// A kind of finding.
pub struct Kind {
    /// Its name in tables and JSON.
    pub name: &'static str,
    /// A summary of one line.
    pub summary: &'static str,
    /// The function that finds it.
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

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Training fails, or the measured accuracy is wrong.
    Serious,
    /// The accuracy may suffer.
    Warning,
    /// For information.
    Note,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serious => "serious",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A finding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Name of its [`Kind`].
    pub kind: &'static str,
    /// Its severity.
    pub severity: Severity,
    /// The problem, with numbers.
    pub what: String,
    /// What to do about it.
    pub advice: &'static str,
    /// Its pictures, in groups; empty if it is about classes.
    pub groups: Vec<Group>,
}

/// Pictures that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// A remark; may be empty.
    pub detail: String,
    /// The pictures.
    pub pictures: Vec<Place>,
}

/// A picture with its split and class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its path, relative to the data set if it is inside.
    pub path: PathBuf,
    /// Its split, if the data set is split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Name of its class.
    pub class: String,
}

/// All findings about a data set.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The folder.
    pub folder: PathBuf,
    /// Whether it is split.
    pub is_split: bool,
    /// Names of its classes.
    pub classes: Vec<String>,
    /// Number of pictures.
    pub pictures: usize,
    /// The findings, the most serious first.
    pub findings: Vec<Finding>,
}

/// Checks a prepared data set, or a folder with one folder per class. `group` is a pattern with one pair of
/// parentheses that finds a picture's group, such as the patient, in its file name; a group should be in one
/// split only. `progress` is called for every picture, from any thread.
///
/// Pictures are read in parallel; the report does not depend on the number of threads.
///
/// # Errors
/// As [`crate::Dataset::open`], and [`Error::Setting`] for an invalid pattern. A picture that cannot be read
/// is a finding, not an error.
pub fn audit(folder: &Path, group: Option<&str>, progress: Progress<'_>) -> Result<Report, Error> {
    audit_as(folder, group, &Reading::default(), progress)
}

/// As [`audit`], with other settings for reading pictures.
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
    fn place(&self, picture: &SurveyedPicture) -> Place {
        let within = picture.path.strip_prefix(&self.folder);
        Place {
            path: within.unwrap_or(&picture.path).into(),
            split: self.is_split.then_some(picture.split),
            class: self.classes[picture.class].clone(),
        }
    }

    /// A group of one picture with a remark.
    fn alone(&self, picture: &SurveyedPicture, detail: impl Into<String>) -> Group {
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
