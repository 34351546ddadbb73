//! Papers and options of methods and metrics, as text and as JSON.

use dvm::OptionSpec;
use dvm::methods::Reference;
use serde::Serialize;

use crate::failure::Failure;
use crate::report::{self, Align, table};

/// Prints all entries of a registry: as JSON, or as `text`.
pub fn print_all<E, D: Serialize>(
    all: &[E],
    json: bool,
    described: fn(&E) -> D,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    match json {
        true => report::print_json(&all.iter().map(described).collect::<Vec<D>>()),
        false => Ok(report::print(&text())?),
    }
}

/// Prints one entry of a registry: as JSON, or as text.
pub fn print_one<E, D: Serialize>(
    entry: &E,
    json: bool,
    described: fn(&E) -> D,
    shown: fn(&E) -> String,
) -> Result<(), Failure> {
    match json {
        true => report::print_json(&described(entry)),
        false => Ok(report::print(&shown(entry))?),
    }
}

/// A table for each group of entries, with a line above it if `title` is not empty; groups without entries are left out.
pub fn tables<'a, E: 'a>(
    groups: impl IntoIterator<Item = (String, [String; 4], Vec<&'a E>)>,
    row: impl Fn(&'a E) -> [String; 4],
) -> String {
    let mut tables = Vec::new();
    for (title, head, entries) in groups {
        if !entries.is_empty() {
            let rows: Vec<_> = [head]
                .into_iter()
                .chain(entries.into_iter().map(&row))
                .collect();
            tables.push(title + &table([Align::Left; 4], &rows));
        }
    }
    tables.join("\n")
}

/// A paper as JSON.
#[derive(Serialize)]
pub struct Paper {
    authors: &'static str,
    year: u16,
    title: &'static str,
    published: String,
}

impl Paper {
    pub fn of(reference: &Reference) -> Self {
        Self {
            authors: reference.authors,
            year: reference.year,
            title: reference.title,
            published: reference.published.to_string(),
        }
    }
}

/// An option as JSON.
#[derive(Serialize)]
pub struct Choice {
    name: &'static str,
    value: String,
    default: &'static str,
    help: &'static str,
}

impl Choice {
    pub fn all(options: &[OptionSpec]) -> Vec<Self> {
        let described = |option: &OptionSpec| Self {
            name: option.name,
            value: option.takes.form(),
            default: option.default,
            help: option.help,
        };
        options.iter().map(described).collect()
    }
}

/// A paper as one short text: `Selvaraju and others 2016, arXiv 1610.02391`.
pub fn paper(reference: &Reference) -> String {
    let first = reference.authors.split(',').next().unwrap_or_default();
    let others = match reference.authors.contains(',') {
        true => " and others",
        false => "",
    };
    format!(
        "{first}{others} {}, {}",
        reference.year, reference.published
    )
}

/// The first lines about a method or a metric: name, summary, paper.
pub fn head(name: &str, summary: &str, reference: &Reference) -> String {
    format!(
        "{name}: {summary}\n\n{} {}, {}, {}\n",
        reference.authors,
        reference.year,
        reference.title,
        reference.published.link()
    )
}

/// The lines about an option; `flag` is how it is given.
pub fn option(flag: &str, option: &OptionSpec) -> String {
    let default = match option.default {
        "" => String::new(),
        default => format!("  [default: {default}]"),
    };
    format!(
        "  {flag} <{}>{default}\n      {}\n",
        option.takes.form(),
        option.help
    )
}
