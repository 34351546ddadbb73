//! MRI slices of brain tumours, one data set per modality.

use std::path::Path;

use dvm_options::Takes;

use crate::Error;
use crate::corpora::triples::{Labelled, add_slices, triples, warn_of_leaks};
use crate::corpora::{Corpus, OptionSpec, Settings};
use crate::prepare::Plan;

/// One data set per modality.
pub(super) const BRAIN: Corpus = Corpus {
    name: "brain",
    summary: "Brain slices in pickled NumPy arrays, one data set per modality",
    rule: "SOURCE contains folders such as T1_all and T1_FL_all. Each of them contains arrays (pickled by \
           Python 2 or 3, or .npy) named <split>_<modality>_<x, y or ID>: slices, classes or one-hot \
           labels, and patients, of the splits train, validation and testing. Slices of class 2 are left \
           out. The others become 8-bit grey PNG files, each scaled from its smallest to its largest value. \
           Each modality becomes a data set DEST/<modality>.",
    options: &[MODALITY],
    sets: Some((&MODALITY, modalities)),
    plan,
};

const MODALITY: OptionSpec = OptionSpec {
    name: "modality",
    takes: Takes::Text("NAME"),
    default: "",
    help: "Only this modality, such as T1_FL; the data set is DEST itself",
};

fn modalities(source: &Path) -> Result<Vec<String>, Error> {
    let found = triples(source, &mut Plan::new(BRAIN.name, source))?;
    Ok(found.into_keys().collect())
}

fn plan(source: &Path, settings: &Settings) -> Result<Plan, Error> {
    let mut plan = Plan::new(BRAIN.name, source);
    let mut found = triples(source, &mut plan)?;
    let modality = settings.text(MODALITY.name).unwrap_or_default();
    let triples = found.remove(modality).ok_or_else(|| {
        let known: Vec<&str> = found.keys().map(String::as_str).collect();
        MODALITY.refuse(modality, format!("the source has {}", known.join(", ")))
    })?;
    let name = |slice: &Labelled, _| format!("{}_{}.png", slice.patient, slice.row);
    let patients = add_slices(triples, &mut plan, name)?;
    let patients = patients.iter().map(|(name, split)| (name.as_str(), *split));
    warn_of_leaks(patients, &mut plan.warnings);
    Ok(plan)
}
