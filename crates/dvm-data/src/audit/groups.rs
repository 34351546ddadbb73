//! Groups, such as patients, in more than one split.

use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::audit::survey::SurveyedPicture;
use crate::audit::{Finding, Group, Kind, Severity, Survey, counted};

pub(super) const LEAKED_GROUPS: Kind = Kind {
    name: "leaked-groups",
    summary: "groups, such as patients, in more than one split (needs the option `group`)",
    find: |survey, pattern| match pattern {
        Some(pattern) => find(survey, pattern),
        None => Vec::new(),
    },
};

fn find(survey: &Survey, pattern: &Regex) -> Vec<Finding> {
    let mut groups: BTreeMap<String, Vec<&SurveyedPicture>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for picture in &survey.pictures {
        let name = picture.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        match pattern.captures(&name).and_then(|found| found.get(1)) {
            Some(group) => groups
                .entry(group.as_str().into())
                .or_default()
                .push(picture),
            None => unknown.push(survey.alone(picture, "")),
        }
    }
    let all = groups.len();
    let leaked: Vec<Group> = groups
        .into_iter()
        .filter(|(_, pictures)| pictures.iter().any(|p| p.split != pictures[0].split))
        .map(|(group, pictures)| Group {
            detail: group,
            pictures: pictures.into_iter().map(|p| survey.place(p)).collect(),
        })
        .collect();
    let mut findings = Vec::new();
    if !leaked.is_empty() {
        findings.push(Finding {
            kind: LEAKED_GROUPS.name,
            severity: Severity::Serious,
            what: format!(
                "{} in more than one split, of {all}",
                counted(leaked.len(), "group is", "groups are")
            ),
            advice: "prepare the data set again with the option `group`; otherwise the results on val and test \
                     are too good",
            groups: leaked,
        });
    }
    if !unknown.is_empty() {
        findings.push(Finding {
            kind: LEAKED_GROUPS.name,
            severity: Severity::Warning,
            what: format!(
                "{} not match the pattern of `group`, so the group is not known",
                counted(unknown.len(), "file name does", "file names do")
            ),
            advice: "correct the pattern, or rename the files",
            groups: unknown,
        });
    }
    findings
}
