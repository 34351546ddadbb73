//! What it means that pictures are copies of each other.

use crate::audit::survey::Surveyed;
use crate::audit::{Finding, Group, Severity, Survey, counted};

/// Findings of one kind about sets of copies, given by their indices: those of different classes,
/// those in different splits, and all others. A set that is both is of the first sort.
pub(super) fn findings(
    survey: &Survey,
    sets: Vec<Vec<usize>>,
    kind: &'static str,
    words: &Words,
) -> Vec<Finding> {
    let mut sorted: [Vec<Group>; 3] = Default::default();
    for set in sets {
        let pictures: Vec<&Surveyed> = set.iter().map(|&i| &survey.pictures[i]).collect();
        let differ = |of: fn(&Surveyed) -> usize| pictures.iter().any(|p| of(p) != of(pictures[0]));
        let leaks = differ(|picture| picture.split as usize);
        let sort = match (differ(|picture| picture.class), leaks) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        sorted[sort].push(Group {
            detail: match (sort, leaks) {
                (0, true) => "in different splits, too".into(),
                _ => String::new(),
            },
            pictures: pictures.into_iter().map(|p| survey.place(p)).collect(),
        });
    }
    let about = |groups: &[Group], where_: &str| {
        let pictures: usize = groups.iter().map(|group| group.pictures.len()).sum();
        let sets = counted(groups.len(), words.one, words.more);
        format!("{pictures} pictures make {sets}{where_}")
    };
    let [conflicting, across, within] = sorted;
    [
        (
            conflicting,
            words.conflicting,
            " in different classes",
            "decide which class is right and remove the others: with two truths a network can only \
             be wrong",
        ),
        (
            across,
            words.across,
            " in different splits",
            "keep each in one split: a network that remembers it looks better than it is",
        ),
        (
            within,
            Severity::Note,
            " in the same class and split",
            "keep one of each: they count more than once",
        ),
    ]
    .into_iter()
    .filter(|(groups, ..)| !groups.is_empty())
    .map(|(groups, severity, place, advice)| Finding {
        kind,
        severity,
        what: about(&groups, place),
        advice,
        groups,
    })
    .collect()
}

/// How findings of a kind are worded and how much they matter.
pub(super) struct Words {
    /// What a set of copies is.
    pub(super) one: &'static str,
    /// What several sets are.
    pub(super) more: &'static str,
    /// How much copies in different classes matter.
    pub(super) conflicting: Severity,
    /// How much copies in different splits matter.
    pub(super) across: Severity,
}
