//! Any data set with one folder of pictures per class.

use std::path::{Path, PathBuf};

use dvm_image::{Range, Reading};
use dvm_options::Takes;
use regex_lite::Regex;

use crate::corpora::settings::SEED;
use crate::corpora::source::{Class, classes};
use crate::corpora::volumes::Volumes;
use crate::corpora::{Corpus, OptionSpec, Settings, Share};
use crate::prepare::Plan;
use crate::splitting::{Shares, by_group, by_picture};
use crate::{Error, range_warning};

/// One folder per class.
pub(super) const FOLDER: Corpus = Corpus {
    name: "folder",
    summary: "Any data set with one folder of pictures per class",
    rule: "SOURCE contains one folder of pictures per class. Each class is shuffled and split separately, so \
           all splits have the same mix of classes. With `group`, pictures of the same group, such as a \
           patient, stay in one split. NIfTI volumes and DICOM files (.nii, .nii.gz, .dcm) become grey PNG \
           files, one per slice; slices of one file stay in one split.",
    options: &[VAL, TEST, SEED, GROUP, SLICES, RANGE],
    sets: None,
    plan,
};

const VAL: OptionSpec = OptionSpec {
    name: "val",
    takes: Takes::Text("SHARE"),
    default: "0.2",
    help: "Share of each class for validation, from 0 to 1",
};

const TEST: OptionSpec = OptionSpec {
    name: "test",
    takes: Takes::Text("SHARE"),
    default: "0",
    help: "Share of each class for the test split, from 0 to 1",
};

const GROUP: OptionSpec = OptionSpec {
    name: "group",
    takes: Takes::Text("PATTERN"),
    default: "",
    help: "A regular expression with one pair of parentheses, which finds a picture's group in its file \
           name, such as `^(TCGA-..-....)`; each group is in one split only",
};

const SLICES: OptionSpec = OptionSpec {
    name: "slices",
    takes: Takes::Text("all|middle|A..B"),
    default: "all",
    help: "Slices of each volume to use; 40..60 are the slices 40 to 59, counted from 0 at the feet",
};

const RANGE: OptionSpec = OptionSpec {
    name: "range",
    takes: Takes::Text("RANGE"),
    default: "",
    help: "Convert all pictures to 8-bit PNG files, with this range of values from black to white: \
           `0..4095`, `auto` (each picture's own range), `percentile`, or `file` (the range of the file's \
           type, or the window of a DICOM file). By default pictures are used as stored, and each slice of \
           a volume has its own range",
};

fn plan(source: &Path, settings: &Settings) -> Result<Plan, Error> {
    let (val, test): (Share, Share) = (VAL.of(settings)?, TEST.of(settings)?);
    let shares = Shares::new(val.0, test.0).ok_or_else(|| {
        VAL.refuse(
            val.0.to_string(),
            "together with `test` it leaves no pictures for training",
        )
    })?;
    let seed = SEED.of(settings)?;
    let range: Option<Range> = match settings.text(RANGE.name) {
        Some(_) => Some(RANGE.of(settings)?),
        None => None,
    };
    let volumes = Volumes::new(SLICES.of(settings)?, range.unwrap_or(Range::Auto));
    let mut plan = Plan::new(FOLDER.name, source);
    let classes = classes(source, &mut plan)?;
    let splits = match settings.text(GROUP.name) {
        Some(pattern) => by_group(&groups(&classes, pattern)?, shares, seed),
        None => classes
            .iter()
            .map(|class| by_picture(&class.name, class.pictures.len(), shares, seed))
            .collect(),
    };
    if range.is_none() {
        let paths = |class: &Class| -> Vec<PathBuf> {
            class
                .pictures
                .iter()
                .map(|name| class.folder.join(name))
                .collect()
        };
        let paths: Vec<PathBuf> = classes.iter().flat_map(paths).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        plan.warnings
            .extend(range_warning(&paths, &Reading::default()));
    }
    for (class, splits) in classes.into_iter().zip(splits) {
        class.plan_slices(splits, &volumes, range, &mut plan)?;
    }
    Ok(plan)
}

/// The group of each picture of each class.
fn groups(classes: &[Class], pattern: &str) -> Result<Vec<Vec<String>>, Error> {
    let pattern = group_pattern(pattern)?;
    let group = |class: &Class, name: &String| {
        let group = pattern.captures(name).and_then(|found| found.get(1));
        let group = group.ok_or_else(|| Error::Layout {
            path: class.folder.join(name),
            detail: format!("the file name does not match the option `group`, {pattern}"),
        })?;
        Ok(group.as_str().to_owned())
    };
    let of = |class: &Class| {
        let names = class.pictures.iter();
        names.map(|name| group(class, name)).collect()
    };
    classes.iter().map(of).collect()
}

/// A pattern with one pair of parentheses.
///
/// # Errors
/// [`Error::Setting`] for any other.
pub(crate) fn group_pattern(text: &str) -> Result<Regex, Error> {
    let pattern = Regex::new(text)
        .map_err(|why| GROUP.refuse(text, format!("it is not a regular expression: {why}")))?;
    match pattern.captures_len() {
        2 => Ok(pattern),
        _ => Err(GROUP
            .refuse(
                text,
                "it needs one pair of parentheses, around the group's name",
            )
            .into()),
    }
}
