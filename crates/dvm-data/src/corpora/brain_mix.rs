//! MRI slices of brain tumours, all modalities in one data set.

use std::path::Path;
use std::sync::Arc;

use crate::Error;
use crate::corpora::triples::{triples, warn_of_leaks};
use crate::corpora::{Corpus, Settings};
use crate::prepare::{Content, Plan, Planned};

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
        for triple in triples {
            for slice in triple.read(&mut plan)? {
                let png = Arc::new(slice.png);
                let number = plan.pictures.len();
                plan.pictures.push(Planned {
                    split: triple.split,
                    class: slice.class,
                    name: format!("{}+{modality}+{number}.png", slice.patient),
                    content: Content::Made(Box::new(move || Ok(png.to_vec()))),
                });
                patients.push((slice.patient, triple.split));
            }
        }
    }
    let patients = patients.iter().map(|(name, split)| (name.as_str(), *split));
    warn_of_leaks(patients, &mut plan.warnings);
    Ok(plan)
}
