//! Options of methods and metrics that came over a network.

use std::collections::BTreeMap;

use dvm::{OptionSpec, Settings, Takes, methods, metrics};

use crate::models::shortened;
use crate::server::Problem;

/// The largest number of samples, steps, segments and the like. The time of a request bounds work, too, but not
/// the memory of what is made before it.
const LARGEST: u64 = 20_000;

/// Most options at once, and the most letters of a value.
const MOST: usize = 64;
const LONGEST: usize = 200;

/// An option of this name may have any number.
const SEED: &str = "seed";

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
    for spec in specs(name) {
        let Takes::Text(form) = spec.takes else {
            continue;
        };
        if form.starts_with("METHOD[") {
            // Its own options stand behind colons.
            for part in value.split(':').skip(1) {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                check(name, value)?;
            }
        } else if names_files(form) {
            let mut parts = value.split(',');
            if !parts.all(|part| is_without_file(part.trim(), form)) {
                let forms = forms(form).filter(|form| !names_files(form));
                let forms: Vec<&str> = forms.collect();
                return Err(format!(
                    "a server reads no files of its own; it is one of {}",
                    forms.join(", ")
                ));
            }
        }
    }
    if name != SEED && !value.starts_with('#') {
        let numbers = value.split(|c: char| !c.is_ascii_digit());
        let is_large = |digits: &str| !matches!(digits.parse::<u64>(), Ok(0..=LARGEST));
        // What stands behind a point is a fraction, however many digits it has.
        let whole = value.split_once('.').filter(|(_, rest)| is_digits(rest));
        let mut numbers: Vec<&str> = match whole {
            Some((whole, _)) => vec![whole],
            None => numbers.collect(),
        };
        numbers.retain(|digits| is_digits(digits));
        if numbers.into_iter().any(is_large) || has_large_exponent(value) {
            return Err(format!("numbers up to {LARGEST} are taken"));
        }
    }
    Ok(())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is a number such as `1e9` that is larger than those that are taken.
fn has_large_exponent(value: &str) -> bool {
    let number: Result<f64, _> = value.trim().parse();
    number.is_ok_and(|number| number.abs() > LARGEST as f64)
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
            ("segments", "grid:100000x100000"),
            ("of", "integrated-gradients:steps=1000000"),
        ] {
            assert!(refused(option, value).is_some(), "{option}={value}");
        }
    }
}
