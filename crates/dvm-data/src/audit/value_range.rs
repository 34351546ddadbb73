//! Pictures that use only a small part of their range of values, such as 12 of 16 bits.

use crate::audit::{Finding, Kind, Severity, counted};

pub(super) const VALUE_RANGE: Kind = Kind {
    name: "value-range",
    summary: "pictures that use only a small part of their range of values, such as 12 of 16 bits",
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
                "{count} nearly black, nearly white or without contrast, because the range of values does not fit"
            ),
            advice: "set the range of values, such as 0..4095, whenever these pictures are read, or convert them \
                     to 8 bits when you prepare the data set",
            groups: doubtful,
        }]
    },
};
