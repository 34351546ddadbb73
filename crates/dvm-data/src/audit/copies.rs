//! Findings about copies of pictures.

use crate::audit::survey::SurveyedPicture;
use crate::audit::{Finding, Group, Severity, Survey, counted};

/// Findings of one kind about sets of copies, given by their indices: sets in different classes, sets in
/// different splits, and all others. A set in both belongs to the first.
pub(super) fn findings(
    survey: &Survey,
    sets: Vec<Vec<usize>>,
    kind: &'static str,
    words: &Words,
) -> Vec<Finding> {
    let mut sorted: [Vec<Group>; 3] = Default::default();
    for set in sets {
        let pictures: Vec<&SurveyedPicture> = set.iter().map(|&i| &survey.pictures[i]).collect();
        let differ =
            |of: fn(&SurveyedPicture) -> usize| pictures.iter().any(|p| of(p) != of(pictures[0]));
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
        format!("{pictures} pictures form {sets}{where_}")
    };
    let [conflicting, across, within] = sorted;
    [
        (
            conflicting,
            words.conflicting,
            " in different classes",
            "decide which class is right and remove the other copies; a network cannot learn contradictory \
             labels",
        ),
        (
            across,
            words.across,
            " in different splits",
            "keep each picture in one split only; otherwise the results on val and test are too good",
        ),
        (
            within,
            Severity::Note,
            " in the same class and split",
            "keep one of each; copies count more than once",
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

/// The words and severities of a kind of copies.
pub(super) struct Words {
    /// The name of one set of copies.
    pub(super) one: &'static str,
    /// The name of several sets.
    pub(super) more: &'static str,
    /// Severity of copies in different classes.
    pub(super) conflicting: Severity,
    /// Severity of copies in different splits.
    pub(super) across: Severity,
}
