//! Tiles of lung tissue: two kinds of cancer, and normal tissue.

use std::collections::BTreeMap;
use std::path::Path;

use dvm_options::Takes;

use crate::corpora::settings::SEED;
use crate::corpora::source::{Class, named};
use crate::corpora::{Corpus, OptionSpec, Settings, Share};
use crate::prepare::Plan;
use crate::splitting::part;
use crate::{Error, Split};

/// Tiles of lung tissue.
pub(super) const PATHOLOGY: Corpus = Corpus {
    name: "pathology",
    summary: "Tiles of lung tissue: adenocarcinoma, squamous-cell carcinoma, normal",
    rule: "SOURCE contains the folders TCGA-LUAD, TCGA-LUSC and normal, which become the classes LUAD, LUSC \
           and NORM. File names start with the split: train, valid or test; other files are left out.",
    options: &[FRACTION, SEED],
    sets: None,
    plan,
};

const FRACTION: OptionSpec = OptionSpec {
    name: "fraction",
    takes: Takes::Text("SHARE"),
    default: "1",
    help: "Use only a random part of each class in each split, from 0 to 1",
};

const FOLDERS: [(&str, &str); 3] = [
    ("TCGA-LUAD", "LUAD"),
    ("TCGA-LUSC", "LUSC"),
    ("normal", "NORM"),
];

const PREFIXES: [(&str, Split); 3] = [
    ("train", Split::Train),
    ("valid", Split::Val),
    ("test", Split::Test),
];

fn plan(source: &Path, settings: &Settings) -> Result<Plan, Error> {
    let Share(fraction) = FRACTION.of(settings)?;
    if fraction == 0.0 {
        return Err(FRACTION.refuse("0", "it must be greater than 0").into());
    }
    let seed = SEED.of(settings)?;
    let mut plan = Plan::new(PATHOLOGY.name, source);
    for class in named(source, &FOLDERS, &mut plan)? {
        let mut splits: BTreeMap<Split, Vec<String>> = BTreeMap::new();
        for picture in class.pictures {
            let found = PREFIXES.iter().find(|(word, _)| picture.starts_with(word));
            match found {
                Some((_, split)) => splits.entry(*split).or_default().push(picture),
                None => plan.leave_out("files whose names do not start with a split"),
            }
        }
        for (split, pictures) in splits {
            let of = format!("{}/{}", split.name(), class.name);
            let taken = part(&of, pictures.len(), fraction, seed);
            for _ in taken.len()..pictures.len() {
                plan.leave_out("files not selected by `fraction`");
            }
            let pictures = taken.into_iter().map(|n| pictures[n].clone()).collect();
            let class = Class {
                name: class.name.clone(),
                folder: class.folder.clone(),
                pictures,
            };
            class.plan(std::iter::repeat(split), &mut plan);
        }
    }
    Ok(plan)
}
