//! Truncated JPEG files.

use crate::audit::{Finding, Kind, Severity, counted};

pub(super) const TRUNCATED: Kind = Kind {
    name: "truncated",
    summary: "truncated JPEG files",
    find: |survey, _| {
        let cut: Vec<_> = survey
            .readable()
            .filter(|(_, _, facts)| !facts.is_whole)
            .map(|(_, picture, _)| survey.alone(picture, ""))
            .collect();
        if cut.is_empty() {
            return Vec::new();
        }
        let count = counted(cut.len(), "JPEG is", "JPEGs are");
        vec![Finding {
            kind: TRUNCATED.name,
            severity: Severity::Warning,
            what: format!("{count} truncated; the missing part is read as grey"),
            advice: "download or copy them again, or remove those that lack a large part",
            groups: cut,
        }]
    },
};
