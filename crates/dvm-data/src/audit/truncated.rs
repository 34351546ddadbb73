//! JPEGs whose end is missing.

use crate::audit::{Finding, Kind, Severity, counted};

pub(super) const TRUNCATED: Kind = Kind {
    name: "truncated",
    summary: "JPEGs whose end is missing",
    find: |survey, _| {
        let cut: Vec<_> = survey
            .readable()
            .filter(|(_, _, facts)| !facts.is_whole)
            .map(|(_, picture, _)| survey.alone(picture, ""))
            .collect();
        if cut.is_empty() {
            return Vec::new();
        }
        let count = counted(cut.len(), "JPEG lacks its", "JPEGs lack their");
        vec![Finding {
            kind: TRUNCATED.name,
            severity: Severity::Warning,
            what: format!("{count} end: the rest is read, what is missing is grey"),
            advice: "get them again, or remove those that lack much",
            groups: cut,
        }]
    },
};
