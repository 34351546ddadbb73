//! Pictures that use a small part of the range of their values, such as 12 bits in 16.

use crate::audit::{Finding, Kind, Severity, counted};

pub(super) const VALUE_RANGE: Kind = Kind {
    name: "value-range",
    summary: "pictures that use a small part of the range of their values, such as 12 bits in 16",
    find: |survey, _| {
        let doubtful: Vec<_> = survey
            .readable()
            .filter_map(|(_, picture, facts)| {
                Some(survey.alone(picture, facts.range_warning.as_deref()?))
            })
            .collect();
        if doubtful.is_empty() {
            return Vec::new();
        }
        let count = counted(doubtful.len(), "picture looks", "pictures look");
        vec![Finding {
            kind: VALUE_RANGE.name,
            severity: Severity::Warning,
            what: format!(
                "{count} nearly black, nearly white or without contrast: the range of values does not \
                 fit"
            ),
            advice: "give the range of their values, such as 0..4095, wherever these pictures are read, \
                     or make 8-bit pictures of them when the set is prepared",
            groups: doubtful,
        }]
    },
};
