//! Files with identical bytes.

use std::collections::BTreeMap;

use crate::audit::copies::{Words, findings};
use crate::audit::{Kind, Severity, Survey};

pub(super) const EXACT_DUPLICATES: Kind = Kind {
    name: "exact-duplicates",
    summary: "files with identical bytes",
    find: |survey, _| {
        let mut sets = sets(survey);
        sets.retain(|set| set.len() > 1);
        let words = Words {
            one: "set of identical files",
            more: "sets of identical files",
            conflicting: Severity::Serious,
            across: Severity::Serious,
        };
        findings(survey, sets, EXACT_DUPLICATES.name, &words)
    },
};

/// The readable pictures, grouped by identical bytes, in the order of the first of each group.
pub(super) fn sets(survey: &Survey) -> Vec<Vec<usize>> {
    let mut of: BTreeMap<[u8; 32], usize> = BTreeMap::new();
    let mut sets: Vec<Vec<usize>> = Vec::new();
    for (index, _, facts) in survey.readable() {
        let set = *of.entry(facts.sha256).or_insert_with(|| {
            sets.push(Vec::new());
            sets.len() - 1
        });
        sets[set].push(index);
    }
    sets
}
