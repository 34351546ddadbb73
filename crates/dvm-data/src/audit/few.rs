//! Classes with one picture or none in a split.

use crate::Split;
use crate::audit::{Finding, Kind, Severity, counted};

pub(super) const FEW_PICTURES: Kind = Kind {
    name: "few-pictures",
    summary: "classes with only one picture or none in a split",
    find: |survey, _| {
        let mut findings = Vec::new();
        for split in Split::ALL {
            let counts = survey.counts(split);
            if split != Split::Train && counts.iter().all(|count| *count == 0) {
                continue;
            }
            for most in [0, 1] {
                let classes: Vec<&str> = (survey.classes.iter().zip(&counts))
                    .filter(|(_, count)| **count == most)
                    .map(|(class, _)| class.as_str())
                    .collect();
                if classes.is_empty() {
                    continue;
                }
                let place = match survey.is_split {
                    true => format!(" in {}", split.name()),
                    false => String::new(),
                };
                findings.push(Finding {
                    kind: FEW_PICTURES.name,
                    severity: match (split, most) {
                        (Split::Train, 0) => Severity::Serious,
                        _ => Severity::Warning,
                    },
                    what: format!(
                        "{} {} picture{place}: {}",
                        counted(classes.len(), "class has", "classes have"),
                        if most == 0 { "no" } else { "only one" },
                        classes.join(", ")
                    ),
                    advice: match split {
                        Split::Train => "add pictures, or remove the class",
                        _ => {
                            "add pictures, or use a larger share for this split; the accuracy of such a class \
                             is meaningless"
                        }
                    },
                    groups: Vec::new(),
                });
            }
        }
        findings
    },
};
