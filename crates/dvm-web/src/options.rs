//! Checking options of methods and metrics in requests.

use std::collections::{BTreeMap, BTreeSet};

use dvm::{OptionSpec, Settings, Takes, methods, metrics};

use crate::models::shortened;
use crate::server::Problem;

/// The largest number of an option. The time limit of a request bounds neither memory nor a single step.
fn largest(option: &str) -> u64 {
    match option {
        // Cells along each side, for each of `masks` masks.
        "cells" | "grid" => 64,
        // Segments in rows and columns; linear models need the square of their number.
        "segments" => 1024,
        // Pixels of the blur.
        "sigma" | "mask-sigma" => 1000,
        // Walks in a single step.
        "similar" => 20,
        // A class.
        "other" => 1_000_000,
        _ => 10_000,
    }
}

/// The maximum number of options, and the maximum length of a value in bytes.
const MOST: usize = 64;
const LONGEST: usize = 200;

/// The maximum number of values in a list: a method may use all of them in each step.
const LIST: usize = 16;

/// The largest number of an option of a method inside another method.
const LARGEST_WITHIN: u64 = 100;

/// Options that can be any number.
const SEEDS: [&str; 2] = ["seed", "noise-seed"];

/// The settings of methods and metrics from options named `option` or `method.option`. Values that would make the
/// server read its files, and numbers that would exhaust its memory, are errors. Whether the methods have the options
/// is checked when the methods are made.
///
/// # Errors
/// 400 with the option and the reason.
pub fn settings(given: &BTreeMap<String, String>) -> Result<Settings, Problem> {
    if given.len() > MOST {
        let message = format!("there are too many options; the limit is {MOST}");
        return Err(Problem::request(message));
    }
    let mut settings = Settings::new();
    for (option, value) in given {
        let name = option
            .rsplit_once('.')
            .map_or(&option[..], |(_, name)| name);
        check(name, value).map_err(|why| {
            let (option, value) = (shortened(option), shortened(value));
            Problem::request(format!("the option `{option}` cannot be `{value}`: {why}"))
        })?;
        settings = settings.with(option, value);
    }
    Ok(settings)
}

/// All options of this name.
fn specs(name: &str) -> impl Iterator<Item = &'static OptionSpec> {
    let of_methods = methods::ALL.iter().flat_map(|entry| entry.options);
    let of_metrics = metrics::registry::ALL
        .iter()
        .flat_map(|entry| entry.options);
    let all = of_methods.chain(of_metrics);
    all.filter(move |spec| spec.name == name)
}

fn check(name: &str, value: &str) -> Result<(), String> {
    if value.len() > LONGEST {
        return Err(format!(
            "the value is too long; the limit is {LONGEST} bytes"
        ));
    }
    if value.split(',').count() > LIST {
        return Err(format!("the list is too long; the limit is {LIST} values"));
    }
    let texts = specs(name).filter_map(|spec| match spec.takes {
        Takes::Text(form) => Some(form),
        _ => None,
    });
    let texts: Vec<&str> = texts.collect();
    if texts.iter().any(|form| form.starts_with("METHOD[")) {
        // Options of the inner method are separated by colons.
        for part in value.split(':').skip(1) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            check(name, value)?;
            // All steps of the inner method are one step of the outer one.
            if !SEEDS.contains(&name) && has_more_than(LARGEST_WITHIN, name, value) {
                return Err(format!(
                    "the limit for a method inside another method is {LARGEST_WITHIN}"
                ));
            }
        }
    }
    if texts.iter().any(|form| names_files(form)) {
        let mut parts = value.split(',');
        // Methods share most values; a method refuses a value that it does not know.
        let is_known = |part: &str| texts.iter().any(|form| is_without_file(part, form));
        if !parts.all(is_known) {
            let all = texts.iter().flat_map(|form| forms(form));
            let all: BTreeSet<&str> = all.filter(|form| !names_files(form)).collect();
            let all: Vec<&str> = all.into_iter().collect();
            return Err(format!(
                "the server does not read files for it; choose one of {}",
                all.join(", ")
            ));
        }
    }
    let largest = largest(name);
    if !SEEDS.contains(&name) && has_more_than(largest, name, value) {
        return Err(format!("the limit is {largest}"));
    }
    Ok(())
}

/// Whether a number in the value is larger, or the product of numbers with `x` between them.
fn has_more_than(largest: u64, name: &str, value: &str) -> bool {
    if value.starts_with('#') {
        return false;
    }
    let largest = largest as f64;
    // `grid:N` has N rows and N columns.
    let is_square = value.starts_with("grid:") && !value.contains('x');
    let mut parts = value.split([':', ',', '=']);
    parts.any(|part| {
        let numbers = part.split('x').map(|number| number.trim().parse::<f64>());
        let numbers: Vec<f64> = numbers.filter_map(Result::ok).map(f64::abs).collect();
        let together = match name {
            "segments" => numbers.iter().product(),
            _ => numbers.iter().copied().fold(0.0, f64::max),
        };
        let together = if is_square {
            together * together
        } else {
            together
        };
        together > largest
    })
}

fn forms(form: &str) -> impl Iterator<Item = &str> {
    form.split('|')
}

fn names_files(form: &str) -> bool {
    form.contains("FILE") || form.contains("PATH")
}

/// Whether a value has one of the forms that are not files.
fn is_without_file(value: &str, form: &str) -> bool {
    let mut forms = forms(form).filter(|form| !names_files(form));
    forms.any(
        |form| match (form.split_once(':'), form.strip_prefix('#')) {
            (Some((kind, _)), _) => value
                .split_once(':')
                .is_some_and(|(given, _)| given == kind),
            (None, Some(_)) => value
                .strip_prefix('#')
                .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())),
            (None, None) => value == form,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(option: &str, value: &str) -> Option<String> {
        let given = BTreeMap::from([(option.to_owned(), value.to_owned())]);
        settings(&given).err().map(|problem| problem.message)
    }

    #[test]
    fn options_cannot_name_files() {
        let files = [
            "/etc/passwd",
            "secret",
            "a.png",
            "file:x",
            "C:\\x",
            "zero,secret",
            "~",
            "",
        ];
        let takes_files = |spec: &&OptionSpec| match spec.takes {
            Takes::Text(form) => names_files(form),
            _ => false,
        };
        let of_methods = methods::ALL.iter().flat_map(|entry| entry.options);
        let all = of_methods.chain(
            metrics::registry::ALL
                .iter()
                .flat_map(|entry| entry.options),
        );
        let specs: Vec<&OptionSpec> = all.filter(takes_files).collect();
        assert!(specs.len() >= 5, "{}", specs.len());
        for spec in specs {
            for file in files {
                let why = refused(spec.name, file).unwrap_or_default();
                assert!(
                    why.contains("does not read files"),
                    "{} {file}: {why}",
                    spec.name
                );
                let own = refused(&format!("occlusion.{}", spec.name), file);
                assert!(own.is_some(), "{} {file}", spec.name);
            }
        }
        let inner = refused("of", "integrated-gradients:steps=20:baseline=/etc/passwd");
        assert!(inner.unwrap().contains("does not read files"));
    }

    #[test]
    fn values_that_are_not_files_are_accepted() {
        for (option, value) in [
            ("fill", "mean"),
            ("fill", "#ff0080"),
            ("baseline", "zero"),
            ("baseline", "black,white"),
            ("segments", "slic:50"),
            ("segments", "grid:7x7"),
            ("segments", "grid:32"),
            ("window", "224x224"),
            ("masks", "8000"),
            ("noise-seed", "4294967296"),
            ("of", "integrated-gradients:steps=20"),
            ("window", "32x16"),
            ("layer", "features.12"),
            ("noise", "0.123456789"),
            ("seed", "18446744073709551615"),
        ] {
            assert_eq!(refused(option, value), None, "{option}={value}");
        }
    }

    #[test]
    fn all_defaults_are_accepted() {
        for spec in methods::ALL.iter().flat_map(|entry| entry.options) {
            if !spec.default.is_empty() {
                assert_eq!(refused(spec.name, spec.default), None, "{}", spec.name);
            }
        }
    }

    #[test]
    fn numbers_that_would_exhaust_the_memory_are_errors() {
        for (option, value) in [
            ("samples", "1000000000"),
            ("samples", "99999999999999999999999999"),
            ("steps", "1e9"),
            ("steps", "inf"),
            ("rise.masks", "10001"),
            ("cells", "65"),
            ("segments", "grid:100000x100000"),
            ("segments", "grid:33"),
            ("segments", "grid:2x1000"),
            ("segments", "slic:1025"),
            ("percent", "10,20,1e30"),
            ("areas", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"),
            ("similar", "21"),
            ("of", "integrated-gradients:steps=101"),
        ] {
            assert!(refused(option, value).is_some(), "{option}={value}");
        }
    }
}
