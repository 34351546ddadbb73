//! Slices, labels and patients of the brain corpora, in three arrays per split.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::dataset::entries;
use crate::formats::{Array, Slice, read_array};
use crate::prepare::{Content, Plan, Planned};
use crate::{Error, Split};

/// The arrays of one modality and split.
#[derive(Debug)]
pub(super) struct Triple {
    pub(super) split: Split,
    /// Slices: `[N, H, W]`, or `[N, H · H]`.
    x: PathBuf,
    /// Labels: `[N]`, or one-hot `[N, classes]`.
    y: PathBuf,
    /// Patients: `[N]`.
    id: PathBuf,
}

/// A slice of the data set.
pub(super) struct Labelled {
    /// Its index in the arrays.
    pub(super) row: usize,
    /// The class, 0 or 1.
    pub(super) class: String,
    pub(super) patient: String,
    /// The bytes of a PNG file.
    pub(super) png: Vec<u8>,
}

/// Adds all slices of these triples to the plan. `name` gives a slice's file name; its second argument is the number
/// of pictures before it.
///
/// # Errors
/// As [`Triple::read`].
pub(super) fn add_slices(
    triples: impl IntoIterator<Item = Triple>,
    plan: &mut Plan,
    name: impl Fn(&Labelled, usize) -> String,
) -> Result<Vec<(String, Split)>, Error> {
    let mut patients = Vec::new();
    for triple in triples {
        for slice in triple.read(plan)? {
            let name = name(&slice, plan.pictures.len());
            let png = Arc::new(slice.png);
            plan.pictures.push(Planned {
                split: triple.split,
                class: slice.class,
                name,
                content: Content::Made(Box::new(move || Ok(png.to_vec()))),
            });
            patients.push((slice.patient, triple.split));
        }
    }
    Ok(patients)
}

/// Slices of this label are left out.
const DROPPED: usize = 2;

/// Most patients in a warning.
const NAMED: usize = 100;

/// The triples of each modality in `source` and its subfolders. Other files are counted in the plan.
///
/// # Errors
/// [`Error::Layout`] if there are none, if one lacks a part or has it twice; [`Error::File`] for a folder
/// that cannot be read.
pub(super) fn triples(
    source: &Path,
    plan: &mut Plan,
) -> Result<BTreeMap<String, Vec<Triple>>, Error> {
    let mut found: BTreeMap<String, BTreeMap<Split, [Option<PathBuf>; 3]>> = BTreeMap::new();
    let mut add = |folder: &Path, path: PathBuf, plan: &mut Plan| {
        let Some((modality, split, part)) = parsed(folder, &path) else {
            plan.leave_out("files whose names lack the split or x, y or ID");
            return Ok(());
        };
        let place = &mut found.entry(modality).or_default().entry(split).or_default()[part];
        if let Some(other) = place.replace(path) {
            let detail = format!(
                "and {} are the same array (x, y or ID) of the same split; keep only one of them",
                place.as_deref().unwrap_or(&other).display()
            );
            return Err(Error::Layout {
                path: other,
                detail,
            });
        }
        Ok(())
    };
    for path in entries(source)? {
        if path.is_file() {
            add(source, path, plan)?;
            continue;
        }
        for inner in entries(&path)? {
            if inner.is_file() {
                add(&path, inner, plan)?;
            } else {
                plan.leave_out("folders within folders of modalities");
            }
        }
    }
    if found.is_empty() {
        return Err(Error::Layout {
            path: source.into(),
            detail: "has no arrays named like train_T1_x, train_T1_y and train_T1_ID, and neither have its \
                     subfolders; give the folder that contains T1_all, T2_all and so on"
                .into(),
        });
    }
    let whole = |(modality, splits): (String, BTreeMap<Split, [Option<PathBuf>; 3]>)| {
        let triple = |(split, parts): (Split, [Option<PathBuf>; 3])| match parts {
            [Some(x), Some(y), Some(id)] => Ok(Triple { split, x, y, id }),
            parts => {
                let lacks = PARTS.iter().zip(&parts).filter(|(_, path)| path.is_none());
                let lacks: Vec<&str> = lacks.map(|(name, _)| *name).collect();
                let there = parts.into_iter().flatten().next().unwrap_or_default();
                let detail = format!("has no {} of the same split beside it", lacks.join(" and "));
                Err(Error::Layout {
                    path: there,
                    detail,
                })
            }
        };
        let triples: Result<Vec<Triple>, Error> = splits.into_iter().map(triple).collect();
        Ok((modality, triples?))
    };
    found.into_iter().map(whole).collect()
}

const PARTS: [&str; 3] = ["x", "y", "ID"];

/// Modality, split and part of a file named `<split>_<modality>_<x|y|ID>…`. A folder named `<modality>_all`
/// overrides the modality.
fn parsed(folder: &Path, path: &Path) -> Option<(String, Split, usize)> {
    let name = path.file_name()?.to_str()?;
    let words: Vec<&str> = name.split(['_', '.']).collect();
    let split = match words[0].to_lowercase().as_str() {
        "train" | "training" => Split::Train,
        "val" | "valid" | "validation" => Split::Val,
        "test" | "testing" => Split::Test,
        _ => return None,
    };
    let part = |word: &str| {
        PARTS
            .iter()
            .position(|part| part.eq_ignore_ascii_case(word))
    };
    let (place, part) = (1..words.len()).find_map(|n| Some((n, part(words[n])?)))?;
    let of_folder = folder.file_name().and_then(|name| name.to_str());
    let modality = match of_folder.and_then(|name| name.strip_suffix("_all")) {
        Some(modality) => modality.to_owned(),
        None => {
            let own = words[1..place].join("_");
            own.strip_suffix("_all").unwrap_or(&own).to_owned()
        }
    };
    (!modality.is_empty()).then_some((modality, split, part))
}

impl Triple {
    /// The slices of the classes 0 and 1, in order. The others are counted in the plan.
    ///
    /// # Errors
    /// [`Error::Layout`] if the arrays do not match, [`Error::Format`] for a file that is not an array and a
    /// slice with an infinity or NaN, [`Error::File`] for a file that cannot be read.
    pub(super) fn read(&self, plan: &mut Plan) -> Result<Vec<Labelled>, Error> {
        let labels = labels(&read_array(&self.y)?).map_err(|detail| misfit(&self.y, detail))?;
        let patients = patients(&read_array(&self.id)?).map_err(|why| misfit(&self.id, why))?;
        let x = read_array(&self.x)?;
        let counts = (x.rows(), labels.len(), patients.len());
        if counts.0 != counts.1 || counts.0 != counts.2 {
            return Err(misfit(
                &self.x,
                format!(
                    "has {} slices, but {} has {} labels and {} has {} patients",
                    counts.0,
                    self.y.display(),
                    counts.1,
                    self.id.display(),
                    counts.2
                ),
            ));
        }
        let (height, width) = sides(&x).map_err(|detail| misfit(&self.x, detail))?;
        let mut kept = Vec::new();
        for (row, (label, patient)) in labels.into_iter().zip(patients).enumerate() {
            match label {
                0 | 1 => kept.push((row, label, patient)),
                DROPPED => plan.leave_out("slices of class 2"),
                _ => {
                    let detail = format!("has class {label} for slice {row}; it must be 0, 1 or 2");
                    return Err(misfit(&self.y, detail));
                }
            }
        }
        let made: Vec<Result<Labelled, Error>> = kept
            .into_par_iter()
            .map(|(row, label, patient)| {
                let values = x.row(row).unwrap_or_default();
                let slice = Slice::scaled(row, height, width, &values);
                let slice = slice.map_err(|reason| Error::Format {
                    path: self.x.clone(),
                    reason,
                })?;
                Ok(Labelled {
                    row,
                    class: label.to_string(),
                    patient,
                    png: slice.png(),
                })
            })
            .collect();
        // The first of several errors, whichever thread was faster.
        made.into_iter().collect()
    }
}

fn misfit(path: &Path, detail: String) -> Error {
    let path = path.into();
    Error::Layout { path, detail }
}

/// Height and width of the slices.
fn sides(x: &Array) -> Result<(usize, usize), String> {
    if x.texts().is_some() {
        return Err("contains texts instead of slices".into());
    }
    // [N, 1, H, W] and [N, H, W, 1] are [N, H, W].
    let mut sides = x.shape().get(1..).unwrap_or_default().to_vec();
    while sides.len() > 2 && sides.contains(&1) {
        sides.remove(sides.iter().position(|&side| side == 1).unwrap_or(0));
    }
    match sides[..] {
        [length] if length > 0 && length.isqrt().pow(2) == length => {
            Ok((length.isqrt(), length.isqrt()))
        }
        [height, width] if height > 0 && width > 0 => Ok((height, width)),
        _ => Err(format!(
            "has shape {:?}; slices must have shape [N, H, W], or [N, H · W] if they are square",
            x.shape()
        )),
    }
}

/// The class of each row: the number itself, or the index of the largest of several.
fn labels(y: &Array) -> Result<Vec<usize>, String> {
    let length = y.row_length();
    if y.shape().len() > 2 || y.shape().is_empty() || y.texts().is_some() || length == 0 {
        return Err(format!(
            "has shape {:?}; labels must be numbers of shape [N] or [N, classes]",
            y.shape()
        ));
    }
    let label = |row: usize| {
        let values = y.row(row).unwrap_or_default();
        if let Some(odd) = values.iter().find(|value| !value.is_finite()) {
            return Err(format!("has {odd} in row {row}, which is not a label"));
        }
        if let [value] = values[..] {
            return if value >= 0.0 && value.fract() == 0.0 {
                Ok(value as usize)
            } else {
                Err(format!("has {value} in row {row}, which is not a class"))
            };
        }
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(values.iter().position(|&v| v == largest).unwrap_or(0))
    };
    (0..y.rows()).map(label).collect()
}

/// The patient of each row.
fn patients(id: &Array) -> Result<Vec<String>, String> {
    if id.shape().is_empty() || id.rows() > 0 && id.row_length() != 1 {
        return Err(format!(
            "has shape {:?}; patients must have shape [N]",
            id.shape()
        ));
    }
    let texts = match id.texts() {
        Some(texts) => texts.iter().map(|text| text.trim().to_owned()).collect(),
        None => {
            let numbers = (0..id.rows()).flat_map(|row| id.row(row).unwrap_or_default());
            numbers
                .map(|number| number.to_string())
                .collect::<Vec<String>>()
        }
    };
    let odd = |text: &&String| text.is_empty() || text.contains(|c: char| c.is_control());
    match texts.iter().find(odd) {
        Some(odd) => Err(format!("has {odd:?} instead of a patient number")),
        None => Ok(texts),
    }
}

/// Warns of patients with slices in more than one split.
pub(super) fn warn_of_leaks<'a>(
    slices: impl Iterator<Item = (&'a str, Split)>,
    warnings: &mut Vec<String>,
) {
    let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for (patient, split) in slices {
        splits.entry(patient).or_default().insert(split);
    }
    let leaked: Vec<String> = splits
        .iter()
        .filter(|(_, splits)| splits.len() > 1)
        .map(|(patient, splits)| {
            let names: Vec<&str> = splits.iter().map(|split| split.name()).collect();
            format!("{patient} ({})", names.join(", "))
        })
        .collect();
    if leaked.is_empty() {
        return;
    }
    let more = match leaked.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    warnings.push(format!(
        "{} of {} patients have slices in more than one split, so the validation results are too good: \
         {}{more}",
        leaked.len(),
        splits.len(),
        leaked[..leaked.len().min(NAMED)].join(", ")
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modality_split_and_part_are_read_from_names() {
        let parsed = |path: &str| {
            let path = Path::new(path);
            parsed(path.parent().unwrap(), path)
        };
        let is = |modality: &str, split, part| Some((modality.to_owned(), split, part));
        for (path, expected) in [
            ("T1_all/train_T1_x.pkl", is("T1", Split::Train, 0)),
            (
                "T1_FL_all/validation_T1_FL_ID_256.pickle",
                is("T1_FL", Split::Val, 2),
            ),
            ("data/testing_T2_FL_y", is("T2_FL", Split::Test, 1)),
            ("data/testing_T2_FL_all_y.npy", is("T2_FL", Split::Test, 1)),
            ("T2_all/train_x.pkl", is("T2", Split::Train, 0)),
            ("data/train_x.pkl", None),
            ("data/T1_x.pkl", None),
            ("data/train_T1.pkl", None),
            ("data/train_T1_xy.pkl", None),
        ] {
            assert_eq!(parsed(path), expected, "{path}");
        }
    }

    #[test]
    fn only_patients_of_several_splits_are_warned_of() {
        let mut warnings = Vec::new();
        let slices = [
            ("a", Split::Train),
            ("b", Split::Train),
            ("a", Split::Train),
        ];
        warn_of_leaks(slices.into_iter(), &mut warnings);
        assert!(warnings.is_empty());
        let slices = [("a", Split::Train), ("b", Split::Train), ("a", Split::Val)];
        warn_of_leaks(slices.into_iter(), &mut warnings);
        assert!(warnings[0].starts_with("1 of 2 patients"), "{warnings:?}");
        assert!(warnings[0].ends_with(": a (train, val)"), "{warnings:?}");
    }
}
