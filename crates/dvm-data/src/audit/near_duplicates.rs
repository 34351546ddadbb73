//! Different files of the same scene: another size, another compression, slightly brighter or cropped.

use std::collections::BTreeMap;

use crate::audit::appearance::Appearance;
use crate::audit::copies::{Words, findings};
use crate::audit::{Kind, Severity, Survey, exact_duplicates, near};

pub(super) const NEAR_DUPLICATES: Kind = Kind {
    name: "near-duplicates",
    summary: "different files that show the same scene",
    find: |survey, _| {
        let words = Words {
            one: "set of nearly identical pictures",
            more: "sets of nearly identical pictures",
            conflicting: Severity::Warning,
            across: Severity::Warning,
        };
        findings(survey, sets(survey), NEAR_DUPLICATES.name, &words)
    },
};

/// Sets of similar pictures with different bytes.
fn sets(survey: &Survey) -> Vec<Vec<usize>> {
    let copies = exact_duplicates::sets(survey);
    let looks: Vec<&Appearance> = copies
        .iter()
        .map(|set| match &survey.pictures[set[0]].facts {
            Ok(facts) => &facts.appearance,
            Err(_) => unreachable!("these can be read"),
        })
        .collect();
    let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, root) in alike(&looks).into_iter().enumerate() {
        sets.entry(root).or_default().push(index);
    }
    sets.into_values()
        .filter(|set| set.len() > 1)
        .map(|set| {
            let mut pictures: Vec<usize> = set.iter().flat_map(|&i| copies[i].clone()).collect();
            pictures.sort_unstable();
            pictures
        })
        .collect()
}

/// For each picture the first similar one, directly or through others.
fn alike(looks: &[&Appearance]) -> Vec<usize> {
    let mut union = Union::new(looks.len());
    // Thousands of blank pictures can have the same hash, so each is compared with one picture of each set,
    // not with all.
    let mut of_hash: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, look) in looks.iter().enumerate() {
        let firsts = of_hash.entry(look.hash).or_default();
        match firsts.iter().find(|&&first| looks[first].is_like(look)) {
            Some(&first) => union.join(first, index),
            None => firsts.push(index),
        }
    }
    let firsts: Vec<usize> = of_hash.into_values().flatten().collect();
    let hashes: Vec<u64> = firsts.iter().map(|&first| looks[first].hash).collect();
    near::pairs(&hashes, |i, j| {
        let (i, j) = (firsts[i], firsts[j]);
        if union.root(i) != union.root(j) && looks[i].is_like(looks[j]) {
            union.join(i, j);
        }
    });
    (0..looks.len()).map(|index| union.root(index)).collect()
}

/// A union-find structure.
struct Union {
    parents: Vec<usize>,
}

impl Union {
    fn new(count: usize) -> Self {
        Self {
            parents: (0..count).collect(),
        }
    }

    /// The first of the set.
    fn root(&mut self, mut index: usize) -> usize {
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }
}
