//! Pictures that are small, elongated or of an unusual size.

use crate::audit::survey::Facts;
use crate::audit::{Finding, Kind, Severity, Survey, counted};

/// Input size of most networks, in pixels.
const NETWORK: usize = 224;
/// Largest ratio of the long to the short side. The centre crop of a longer picture shows less than a third.
const LONG: usize = 3;
/// A picture is unusual if its number of pixels differs from the median by this factor.
const UNUSUAL: usize = 16;

pub(super) const ODD_SIZES: Kind = Kind {
    name: "odd-sizes",
    summary: "pictures that are small, elongated or of an unusual size",
    find: |survey, _| {
        let mut pixels: Vec<usize> = survey.readable().map(|(_, _, f)| area(f)).collect();
        pixels.sort_unstable();
        let usual = pixels.get(pixels.len() / 2).copied().unwrap_or(0);
        let small = finding(survey, |facts| facts.height.min(facts.width) < NETWORK);
        let long = finding(survey, |facts| {
            facts.height.max(facts.width) > LONG * facts.height.min(facts.width)
        });
        let unusual = finding(survey, |facts| {
            area(facts) > UNUSUAL * usual || UNUSUAL * area(facts) < usual
        });
        let with = |found: Option<Finding>, severity, what: &dyn Fn(usize) -> String, advice| {
            found.map(|finding| Finding {
                severity,
                what: what(finding.groups.len()),
                advice,
                ..finding
            })
        };
        let all = pixels.len();
        let findings = [
            with(
                small,
                Severity::Note,
                &|count| {
                    let count = counted(count, "picture has", "pictures have");
                    format!("{count} a side of less than {NETWORK} pixels, of {all}")
                },
                "most networks need them enlarged; find larger originals, or train with a smaller input size",
            ),
            with(
                long,
                Severity::Warning,
                &|count| {
                    let count = counted(count, "picture has", "pictures have");
                    format!("{count} a long side of more than {LONG} times the short side")
                },
                "most networks see only the square in the middle; crop the pictures to the object",
            ),
            with(
                unusual,
                Severity::Note,
                &|count| {
                    let count = counted(count, "picture has", "pictures have");
                    format!(
                        "{count} more than {UNUSUAL} times the median number of pixels ({usual}), or less \
                         than 1/{UNUSUAL} of it"
                    )
                },
                "check whether they belong to the data set",
            ),
        ];
        findings.into_iter().flatten().collect()
    },
};

fn area(facts: &Facts) -> usize {
    facts.height * facts.width
}

/// The pictures with this property, each with its size.
fn finding(survey: &Survey, holds: impl Fn(&Facts) -> bool) -> Option<Finding> {
    let odd: Vec<_> = survey
        .readable()
        .filter(|(_, _, facts)| holds(facts))
        .map(|(_, picture, facts)| {
            let size = format!("{} × {}", facts.height, facts.width);
            survey.alone(picture, size)
        })
        .collect();
    (!odd.is_empty()).then_some(Finding {
        kind: ODD_SIZES.name,
        severity: Severity::Note,
        what: String::new(),
        advice: "",
        groups: odd,
    })
}
