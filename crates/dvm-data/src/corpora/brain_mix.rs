//! MRI slices of brain tumours, all modalities in one data set.

use std::path::Path;

use crate::Error;
use crate::corpora::triples::{Labelled, add_slices, triples, warn_of_leaks};
use crate::corpora::{Corpus, Settings};
use crate::prepare::Plan;

/// All modalities pooled.
pub(super) const BRAIN_MIX: Corpus = Corpus {
    name: "brain-mix",
    summary: "The brain slices of all modalities in one data set",
    rule: "SOURCE is the same as for `brain`. Files are named <patient>+<modality>+<n>.png, where n counts \
           the pictures of all modalities.",
    options: &[],
    sets: None,
    plan,
};

fn plan(source: &Path, _: &Settings) -> Result<Plan, Error> {
    let mut plan = Plan::new(BRAIN_MIX.name, source);
    let mut patients = Vec::new();
    for (modality, triples) in triples(source, &mut plan)? {
        let name = |slice: &Labelled, number| format!("{}+{modality}+{number}.png", slice.patient);
        patients.extend(add_slices(triples, &mut plan, name)?);
    }
    let patients = patients.iter().map(|(name, split)| (name.as_str(), *split));
    warn_of_leaks(patients, &mut plan.warnings);
    Ok(plan)
}
