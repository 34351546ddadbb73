//! Options of optimisers and schedules, with errors that say whose they are.

use dvm_options::{OptionSpec, Refused, Resolved, Settings};

use crate::Error;

/// Every option of these with its value, the defaults filled in. `owner` is whose they are, such as
/// `optimiser sgd`.
///
/// # Errors
/// [`Error::UnknownOption`], or [`Error::OptionValue`] for what an option does not take.
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

/// That the value of an option does not go with the others.
pub(crate) fn refuse(resolved: &Resolved, option: &str, expected: &str) -> Error {
    Error::OptionValue {
        owner: resolved.owner().into(),
        option: option.into(),
        value: resolved.word(option).into(),
        expected: expected.into(),
    }
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
    fn errors_say_whose_option_it_is() {
        let refused = |settings: Settings| {
            let specs = std::iter::once(&MOMENTUM);
            let specs: Vec<_> = specs.collect();
            let resolved = resolve("optimiser x", specs.into_iter(), &settings);
            resolved.unwrap_err().to_string()
        };
        assert_eq!(
            refused(Settings::new().with("momentun", 0.5)),
            "optimiser x has no option `momentun`; it has momentum"
        );
        assert_eq!(
            refused(Settings::new().with("momentum", 1)),
            "`momentum` of optimiser x does not take 1: it takes a number from 0 to below 1"
        );
    }
}
