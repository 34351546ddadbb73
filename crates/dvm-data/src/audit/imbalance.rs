//! Classes of very different sizes.

use crate::Split;
use crate::audit::{Finding, Kind, Severity};

/// Largest ratio of the number of pictures of two classes.
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
                "`{frequent}` has {most} training pictures, {:.1} times as many as `{rare}` with {least}",
                most as f64 / least as f64
            ),
            advice: "use class weights in training, add pictures of the rare classes, and use the balanced \
                     accuracy; the plain accuracy is high even if a network always predicts the most frequent \
                     class",
            groups: Vec::new(),
        }]
    },
};
