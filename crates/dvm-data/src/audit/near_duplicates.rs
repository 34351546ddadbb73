//! Pictures that show the same, though their files differ: another size, another compression,
//! a little brighter, slightly cut.

use std::collections::BTreeMap;

use crate::audit::copies::{Words, findings};
use crate::audit::look::Look;
use crate::audit::{Kind, Severity, Survey, exact_duplicates, near};

pub(super) const NEAR_DUPLICATES: Kind = Kind {
    name: "near-duplicates",
    summary: "pictures that show the same though their files differ",
    find: |survey, _| {
        let words = Words {
            one: "set of nearly the same scene",
            more: "sets of nearly the same scene",
            conflicting: Severity::Warning,
            across: Severity::Warning,
        };
        findings(survey, sets(survey), NEAR_DUPLICATES.name, &words)
    },
};

/// Sets of pictures, each like another of its set, that are not all of the same bytes.
fn sets(survey: &Survey) -> Vec<Vec<usize>> {
    let copies = exact_duplicates::sets(survey);
    let looks: Vec<&Look> = copies
        .iter()
        .map(|set| match &survey.pictures[set[0]].facts {
            Ok(facts) => &facts.look,
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

/// For each look the first one that it is like, directly or by others between them.
fn alike(looks: &[&Look]) -> Vec<usize> {
    let mut union = Union::new(looks.len());
    // Blank or nearly blank pictures can have one hash by the thousand: each is compared to one of
    // every set that there is, not to all.
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

/// Sets that grow together.
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
