//! Problems of the folders.

use crate::Split;
use crate::audit::{Finding, Kind, Severity, Survey};

pub(super) const LAYOUT: Kind = Kind {
    name: "layout",
    summary: "ignored folders, a single class, no validation pictures",
    find: |survey, _| {
        let finding = |severity, what: String, advice| Finding {
            kind: LAYOUT.name,
            severity,
            what,
            advice,
            groups: Vec::new(),
        };
        let left_out = survey.left_out.iter().map(|what| {
            let advice = "move them if they contain pictures of the data set, or remove them";
            finding(Severity::Warning, what.clone(), advice)
        });
        let only = only_class(survey).map(|class| {
            let what = format!("there is only one class, `{class}`");
            finding(
                Severity::Serious,
                what,
                "training needs at least two classes",
            )
        });
        let is_without_val = survey.is_split && survey.counts(Split::Val).iter().all(|&n| n == 0);
        let no_val = is_without_val.then(|| {
            let what = "there are no validation pictures".into();
            let advice =
                "add a folder `val`; without it the accuracy of a network cannot be measured";
            finding(Severity::Warning, what, advice)
        });
        left_out.chain(only).chain(no_val).collect()
    },
};

fn only_class(survey: &Survey) -> Option<&str> {
    match &survey.classes[..] {
        [only] => Some(only),
        _ => None,
    }
}
