//! Options of optimisers and schedules.

use dvm_options::{OptionSpec, Refused, Resolved, Settings};

use crate::Error;

/// The options of `owner`, such as `optimiser sgd`, with defaults filled in.
///
/// # Errors
/// [`Error::UnknownOption`], [`Error::OptionValue`].
pub(crate) fn resolve<'s>(
    owner: &str,
    specs: impl Iterator<Item = &'s OptionSpec> + Clone,
    given: &Settings,
) -> Result<Resolved, Error> {
    Resolved::new(owner, specs, given).map_err(|refused| match refused {
        Refused::Unknown { option, known } => Error::UnknownOption {
            owner: owner.into(),
            option,
            known: match known.is_empty() {
                true => "none".into(),
                false => known.join(", "),
            },
        },
        Refused::Value {
            option,
            value,
            expected,
        } => Error::OptionValue {
            owner: owner.into(),
            option,
            value,
            expected,
        },
    })
}

/// The error for a value that contradicts other options.
pub(crate) fn refuse(resolved: &Resolved, option: &str, expected: &str) -> Error {
    Error::OptionValue {
        owner: resolved.owner().into(),
        option: option.into(),
        value: resolved.word(option).into(),
        expected: expected.into(),
    }
}

/// The entry of this name in a registry of `kind`s.
pub(crate) fn find<E>(
    kind: &'static str,
    all: &'static [E],
    name_of: impl Fn(&E) -> &'static str,
    name: &str,
) -> Result<&'static E, Error> {
    let found = all.iter().find(|entry| name_of(entry) == name);
    found.ok_or_else(|| Error::Unknown {
        kind,
        name: name.into(),
        known: all.iter().map(name_of).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvm_options::Takes;

    const MOMENTUM: OptionSpec = OptionSpec {
        name: "momentum",
        takes: Takes::From(0.0, 1.0),
        default: "0.9",
        help: "",
    };

    #[test]
    fn errors_name_the_owner_of_the_option() {
        let refused = |settings: Settings| {
            let specs = std::iter::once(&MOMENTUM);
            let specs: Vec<_> = specs.collect();
            let resolved = resolve("optimiser x", specs.into_iter(), &settings);
            resolved.unwrap_err().to_string()
        };
        assert_eq!(
            refused(Settings::new().with("momentun", 0.5)),
            "optimiser x has no option `momentun`; its options are: momentum"
        );
        assert_eq!(
            refused(Settings::new().with("momentum", 1)),
            "invalid value `1` for `momentum` of optimiser x: it must be a number of at least 0 \
             and less than 1"
        );
    }
}
