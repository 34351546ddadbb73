//! Options of methods and metrics that came over a network.

use std::collections::{BTreeMap, BTreeSet};

use dvm::{OptionSpec, Settings, Takes, methods, metrics};

use crate::models::shortened;
use crate::server::Problem;

/// The largest number that an option may have. The time of a request bounds work, too, but not the memory of what
/// is made before it, nor a single step.
fn largest(option: &str) -> u64 {
    match option {
        // Cells along each side; there may be as many masks of them as `masks` says.
        "cells" | "grid" => 64,
        // Segments of all rows and columns; linear models take the square of their number.
        "segments" => 1024,
        // Pixels that each pixel is blurred over.
        "sigma" | "mask-sigma" => 1000,
        // Walks that are one step.
        "similar" => 20,
        // A class.
        "other" => 1_000_000,
        _ => 10_000,
    }
}

/// Most options at once, and the most letters of a value.
const MOST: usize = 64;
const LONGEST: usize = 200;

/// Most values with commas between them: a method may work on all of them at each of its steps.
const LIST: usize = 16;

/// The same for a method within another.
const LARGEST_WITHIN: u64 = 100;

/// Options of these names may have any number.
const SEEDS: [&str; 2] = ["seed", "noise-seed"];

/// The settings of methods and metrics that these options mean, `option` or `method.option` by name. What would
/// make the server read a file of its own is refused, and so are numbers that would exhaust its memory; whether
/// the methods have these options is found out when they are made.
///
/// # Errors
/// 400 with the option that is refused, and why.
pub fn settings(given: &BTreeMap<String, String>) -> Result<Settings, Problem> {
    if given.len() > MOST {
        let message = format!("there are more than {MOST} options");
        return Err(Problem::request(message));
    }
    let mut settings = Settings::new();
    for (option, value) in given {
        let name = option
            .rsplit_once('.')
            .map_or(&option[..], |(_, name)| name);
        check(name, value).map_err(|why| {
            let (option, value) = (shortened(option), shortened(value));
            Problem::request(format!(
                "the option `{option}` does not take `{value}` here: {why}"
            ))
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
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    if value.split(',').count() > LIST {
        return Err(format!("it has more than {LIST} parts"));
    }
    let texts = specs(name).filter_map(|spec| match spec.takes {
        Takes::Text(form) => Some(form),
        _ => None,
    });
    let texts: Vec<&str> = texts.collect();
    if texts.iter().any(|form| form.starts_with("METHOD[")) {
        // Its own options stand behind colons.
        for part in value.split(':').skip(1) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            check(name, value)?;
            // All of its steps are one step of the method around it.
            if !SEEDS.contains(&name) && has_more_than(LARGEST_WITHIN, name, value) {
                return Err(format!(
                    "numbers up to {LARGEST_WITHIN} are taken for a method within another"
                ));
            }
        }
    }
    if texts.iter().any(|form| names_files(form)) {
        let mut parts = value.split(',');
        // Methods share most of the words, and where one does not know a word, it refuses it.
        let is_known = |part: &str| texts.iter().any(|form| is_without_file(part, form));
        if !parts.all(is_known) {
            let all = texts.iter().flat_map(|form| forms(form));
            let all: BTreeSet<&str> = all.filter(|form| !names_files(form)).collect();
            let all: Vec<&str> = all.into_iter().collect();
            return Err(format!(
                "a server reads no files of its own; it is one of {}",
                all.join(", ")
            ));
        }
    }
    let largest = largest(name);
    if !SEEDS.contains(&name) && has_more_than(largest, name, value) {
        return Err(format!("numbers up to {largest} are taken"));
    }
    Ok(())
}

/// Whether a number in it is larger, or what numbers with `x` between them make together.
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

/// Whether a value is of one of the forms that name no file.
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
    fn no_option_can_name_a_file() {
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
                    why.contains("reads no files"),
                    "{} {file}: {why}",
                    spec.name
                );
                let own = refused(&format!("occlusion.{}", spec.name), file);
                assert!(own.is_some(), "{} {file}", spec.name);
            }
        }
        let inner = refused("of", "integrated-gradients:steps=20:baseline=/etc/passwd");
        assert!(inner.unwrap().contains("reads no files"));
    }

    #[test]
    fn what_names_no_file_is_taken() {
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
    fn every_default_is_taken() {
        for spec in methods::ALL.iter().flat_map(|entry| entry.options) {
            if !spec.default.is_empty() {
                assert_eq!(refused(spec.name, spec.default), None, "{}", spec.name);
            }
        }
    }

    #[test]
    fn numbers_that_would_exhaust_the_memory_are_refused() {
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
