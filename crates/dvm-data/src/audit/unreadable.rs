//! Files that cannot be read as a picture.

use crate::audit::{Finding, Kind, Severity, counted};

pub(super) const UNREADABLE: Kind = Kind {
    name: "unreadable",
    summary: "files that cannot be read as a picture",
    find: |survey, _| {
        let pictures = survey.pictures.iter();
        let broken: Vec<_> = pictures
            .filter_map(|picture| {
                let why = picture.facts.as_ref().err()?;
                Some(survey.alone(picture, why))
            })
            .collect();
        if broken.is_empty() {
            return Vec::new();
        }
        let count = counted(broken.len(), "file cannot", "files cannot");
        vec![Finding {
            kind: UNREADABLE.name,
            severity: Severity::Serious,
            what: format!("{count} be read as a picture"),
            advice: "download or copy them again, or remove them",
            groups: broken,
        }]
    },
};
