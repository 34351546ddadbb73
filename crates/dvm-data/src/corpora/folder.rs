//! Any set with one folder of pictures per class.

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
    summary: "Any set with one folder of pictures per class",
    rule: "SOURCE holds one folder per class, and each of these holds pictures. Every class is \
           shuffled and split by itself, so that all splits have the same mix of classes. With \
           --group, pictures of one group, such as one patient's, stay together. \
           NIfTI volumes and DICOM files (.nii, .nii.gz, .dcm) become grey PNG files, one per slice, \
           and those of one file stay together.",
    options: &[VAL, TEST, SEED, GROUP, SLICES, RANGE],
    sets: None,
    plan,
};

const VAL: OptionSpec = OptionSpec {
    name: "val",
    takes: Takes::Text("SHARE"),
    default: "0.2",
    help: "Which part of each class is for validation",
};

const TEST: OptionSpec = OptionSpec {
    name: "test",
    takes: Takes::Text("SHARE"),
    default: "0",
    help: "Which part of each class is for the test at the end",
};

const GROUP: OptionSpec = OptionSpec {
    name: "group",
    takes: Takes::Text("PATTERN"),
    default: "",
    help: "A regular expression whose one pair of parentheses finds a picture's group in its file \
           name, such as `^(TCGA-..-....)`; no group is on both sides",
};

const SLICES: OptionSpec = OptionSpec {
    name: "slices",
    takes: Takes::Text("all|middle|A..B"),
    default: "all",
    help: "Which slices of each volume are taken; 40..60 are the slices 40 to 59, counted from 0 at \
           the feet",
};

const RANGE: OptionSpec = OptionSpec {
    name: "range",
    takes: Takes::Text("RANGE"),
    default: "",
    help: "Make 8-bit PNG files of all pictures, with this range of values from black to white: \
           `0..4095`, `auto` (each picture's own), `percentile`, or `file` (that of the type, or the \
           window of a DICOM file). Without it pictures are taken as they are, and each slice of a \
           volume has its own range",
};

fn plan(source: &Path, settings: &Settings) -> Result<Plan, Error> {
    let (val, test): (Share, Share) = (VAL.of(settings)?, TEST.of(settings)?);
    let shares = Shares::new(val.0, test.0).ok_or_else(|| {
        VAL.refuse(
            val.0.to_string(),
            "with the option `test` it leaves nothing to train",
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
            detail: format!("does not match --group {pattern}: which group is it of?"),
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
        .map_err(|why| GROUP.refuse(text, format!("it is no regular expression: {why}")))?;
    match pattern.captures_len() {
        2 => Ok(pattern),
        _ => Err(GROUP
            .refuse(
                text,
                "it needs one pair of parentheses, around what names the group",
            )
            .into()),
    }
}
