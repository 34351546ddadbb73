//! Pictures that are small, long, or of a size unlike the others.

use crate::audit::survey::Facts;
use crate::audit::{Finding, Kind, Severity, Survey, counted};

/// Rows and columns that most networks look at.
const NETWORK: usize = 224;
/// How many times the short side the long one may be: of a longer picture the centre crop shows
/// less than a third.
const LONG: usize = 3;
/// How many times the usual number of pixels, or which part of it, is unusual.
const UNUSUAL: usize = 16;

pub(super) const ODD_SIZES: Kind = Kind {
    name: "odd-sizes",
    summary: "pictures that are small, long, or of a size unlike the others",
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
                "they are enlarged for most networks: look for larger originals, or train at a \
                 smaller size",
            ),
            with(
                long,
                Severity::Warning,
                &|count| {
                    let count = counted(count, "picture is", "pictures are");
                    format!("{count} more than {LONG} times as long as wide, or as wide as long")
                },
                "networks see the square in the middle: cut them where the class is to be seen",
            ),
            with(
                unusual,
                Severity::Note,
                &|count| {
                    let count = counted(count, "picture has", "pictures have");
                    format!("{count} {UNUSUAL} times more or less pixels than the usual {usual}")
                },
                "look whether they belong to the set",
            ),
        ];
        findings.into_iter().flatten().collect()
    },
};

fn area(facts: &Facts) -> usize {
    facts.height * facts.width
}

/// The pictures of which this holds, each with its size.
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
