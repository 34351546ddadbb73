//! Classes of very different sizes.

use crate::Split;
use crate::audit::{Finding, Kind, Severity};

/// How many times as many pictures the largest class may have.
const USUAL: usize = 3;

pub(super) const IMBALANCE: Kind = Kind {
    name: "imbalance",
    summary: "classes of very different sizes in train",
    find: |survey, _| {
        let counts = survey.counts(Split::Train);
        let of = |index: usize| (counts[index], survey.classes[index].as_str());
        let sizes = || (0..counts.len()).map(of).filter(|(count, _)| *count > 0);
        let (Some((least, rare)), Some((most, frequent))) = (
            sizes().min_by_key(|size| size.0),
            sizes().max_by_key(|size| size.0),
        ) else {
            return Vec::new();
        };
        if most <= USUAL * least {
            return Vec::new();
        }
        vec![Finding {
            kind: IMBALANCE.name,
            severity: Severity::Warning,
            what: format!(
                "`{frequent}` has {most} pictures to train with, `{rare}` has {least}: {:.1} times \
                 as many",
                most as f64 / least as f64
            ),
            advice: "weigh classes when training, add pictures of the rare ones, and look at the \
                     balanced accuracy: always saying the most frequent class scores well",
            groups: Vec::new(),
        }]
    },
};
