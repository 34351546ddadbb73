//! Relative links of a Markdown file: the file and the heading must exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The links of `file` that lead nowhere, one sentence each.
pub fn broken(root: &Path, file: &Path) -> Vec<String> {
    let docs = root.join("docs");
    let text = fs::read_to_string(file).unwrap();
    let mut problems = Vec::new();
    for target in targets(&text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let linked = match path {
            "" => file.to_owned(),
            path => file.parent().unwrap().join(path),
        };
        let problem = match linked.canonicalize() {
            Err(_) => "there is no such file",
            // Outside of `docs` there is nothing in the built book.
            Ok(linked) if file.starts_with(&docs) && !linked.starts_with(&docs) => {
                "a page of the book links to a file outside of docs/"
            }
            Ok(linked) if !anchor.is_empty() && !has_heading(&linked, anchor) => {
                "there is no such heading"
            }
            Ok(_) => continue,
        };
        problems.push(format!("{}: {target}: {problem}", file.display()));
    }
    problems
}

/// What the text outside of code links to: `](target)`.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        let code_free: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in code_free.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                targets.push(target.to_owned());
            }
        }
    }
    targets
}

/// The lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !fence && !in_code
    })
}

fn has_heading(file: &Path, anchor: &str) -> bool {
    let text = fs::read_to_string(file).unwrap();
    let mut seen = BTreeMap::new();
    prose(&text)
        .filter(|line| line.starts_with('#'))
        .map(|line| slug(line.trim_start_matches('#')))
        .map(|slug| {
            let count: &mut usize = seen.entry(slug.clone()).or_default();
            *count += 1;
            match *count {
                1 => slug,
                n => format!("{slug}-{}", n - 1),
            }
        })
        .any(|slug| slug == anchor)
}

/// The anchor of a heading, as GitHub and mdBook make it.
fn slug(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
