//! The pictures of `dvm compare` and their true classes.

use std::path::{Path, PathBuf};

use dvm::compare::Compared;
use dvm::data::formats::Wanted;
use dvm::data::{Dataset, Split};
use dvm::{Caption, Classifier, Source};

use crate::failure::Failure;
use crate::images::{self, Image};

/// Pictures, and the network with class names.
pub struct Data {
    pub pictures: Vec<Compared>,
    pub classifier: Classifier,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// Errors about single arguments.
    pub failures: Vec<String>,
}

/// Finds the pictures: a split of a data set, or all in folders, lists and files, whose folders may have the names
/// of classes.
pub fn find(
    given: &[PathBuf],
    split: Option<Split>,
    slice: &Wanted,
    classifier: Classifier,
) -> Result<Data, Failure> {
    if let [folder] = given
        && folder.is_dir()
    {
        match Dataset::open(folder) {
            Ok(data) => return labelled(&data, split, classifier),
            Err(error @ dvm::data::Error::NotSplit { .. }) if split.is_some() => {
                return Err(error.into());
            }
            Err(dvm::data::Error::NotSplit { .. }) => {
                return found(given, slice, Dataset::open_unsplit(folder).ok(), classifier);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if split.is_some() {
        return Err(Failure::Request(
            "--split needs a single data set with train, val or test".into(),
        ));
    }
    found(given, slice, None, classifier)
}

/// The pictures of a split.
fn labelled(data: &Dataset, split: Option<Split>, classifier: Classifier) -> Result<Data, Failure> {
    let is_there = |split: &Split| !data.samples(*split).is_empty();
    let split = match split {
        Some(split) => split,
        None => [Split::Test, Split::Val, Split::Train]
            .into_iter()
            .find(is_there)
            .unwrap_or(Split::Test),
    };
    let samples = data.samples(split);
    if samples.is_empty() {
        return Err(Failure::Request(format!(
            "{}: split `{}` has no pictures; choose another with --split",
            data.folder.display(),
            split.name()
        )));
    }
    let (classifier, mut notes) = named(classifier, data)?;
    notes.push(format!("note: comparing on split `{}`", split.name()));
    let pictures = samples.iter().map(|sample| Compared {
        source: Source::File(sample.path.clone()),
        true_class: Some(data.classes[sample.class].clone()),
    });
    Ok(Data {
        pictures: pictures.collect(),
        classifier,
        notes,
        failures: Vec::new(),
    })
}

/// All pictures of folders, lists and files.
fn found(
    given: &[PathBuf],
    slice: &Wanted,
    data: Option<Dataset>,
    classifier: Classifier,
) -> Result<Data, Failure> {
    let (classifier, mut notes) = match data {
        Some(data) => named(classifier, &data)?,
        None => (classifier, Vec::new()),
    };
    let images = images::expand(given, slice);
    notes.extend(images.notes.iter().map(|note| format!("note: {note}")));
    let mut pictures = Vec::new();
    let mut failures = Vec::new();
    for image in images.all {
        match image {
            Image::Nothing { path, why } => failures.push(format!("{}: {why}", path.display())),
            Image::Picture { source, .. } => pictures.push(Compared {
                true_class: true_class(source.path(), &classifier),
                source,
            }),
        }
    }
    if pictures.is_empty() {
        let why = failures.pop();
        let nothing = "no pictures found".into();
        for other in failures {
            crate::report::say(&format!("error: {other}"));
        }
        return Err(Failure::Request(why.unwrap_or(nothing)));
    }
    Ok(Data {
        pictures,
        classifier,
        notes,
        failures,
    })
}

fn true_class(path: &Path, classifier: &Classifier) -> Option<String> {
    Caption::of_file(path, classifier.classes()).true_class
}

/// The network with the class names of the data set, if it has the same number of classes and no names.
fn named(classifier: Classifier, data: &Dataset) -> Result<(Classifier, Vec<String>), Failure> {
    if classifier.classes().len() != data.classes.len() {
        return Ok((classifier, Vec::new()));
    }
    let (classifier, guess) = classifier.with_classes_of(data)?;
    let notes = guess.map(|guess| format!("warning: {guess} (name them with --classes)"));
    Ok((classifier, notes.into_iter().collect()))
}
