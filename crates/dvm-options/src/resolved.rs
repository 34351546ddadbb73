//! Settings with all defaults filled in.

use crate::{OptionSpec, Settings};

/// Valid settings with all defaults filled in.
#[derive(Clone, Debug)]
pub struct Resolved {
    owner: String,
    settings: Settings,
}

/// Why settings are invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An option that does not exist.
    Unknown {
        /// The unknown option.
        option: String,
        /// The existing options.
        known: Vec<&'static str>,
    },
    /// An invalid value.
    Value {
        /// The option.
        option: String,
        /// The invalid value.
        value: String,
        /// Which values are valid, such as `a number of at least 0`.
        expected: String,
    },
}

impl Resolved {
    /// Checks the settings of `owner`, such as `optimiser sgd`, and fills in the defaults of `specs`.
    ///
    /// # Errors
    /// [`Refused`] for an unknown option or an invalid value.
    pub fn new<'s>(
        owner: &str,
        specs: impl Iterator<Item = &'s OptionSpec> + Clone,
        given: &Settings,
    ) -> Result<Self, Refused> {
        for option in given.names() {
            let Some(spec) = specs.clone().find(|spec| spec.name == option) else {
                return Err(Refused::Unknown {
                    option: option.into(),
                    known: specs.map(|spec| spec.name).collect(),
                });
            };
            let value = spec.text(given);
            if !spec.takes.takes(value) {
                return Err(Refused::Value {
                    option: option.into(),
                    value: value.into(),
                    expected: spec.takes.to_string(),
                });
            }
        }
        let all = specs.fold(Settings::new(), |all, spec| {
            all.with(spec.name, spec.takes.written(spec.text(given)))
        });
        Ok(Self {
            owner: owner.into(),
            settings: all,
        })
    }

    /// The value of every option.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The owner, such as `optimiser sgd`.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The value of a numeric option.
    ///
    /// # Panics
    /// If there is no numeric option of this name: a mistake of the caller.
    pub fn number(&self, name: &str) -> f64 {
        let number = self.word(name).parse();
        number.unwrap_or_else(|_| panic!("`{name}` of {} is not a number", self.owner))
    }

    /// The value of a flag.
    ///
    /// # Panics
    /// As [`Resolved::number`].
    pub fn flag(&self, name: &str) -> bool {
        let flag = self.word(name).parse();
        flag.unwrap_or_else(|_| panic!("`{name}` of {} is not a flag", self.owner))
    }

    /// The value of an option as text.
    ///
    /// # Panics
    /// As [`Resolved::number`].
    pub fn word(&self, name: &str) -> &str {
        let text = self.settings.text(name);
        text.unwrap_or_else(|| panic!("{} has no option `{name}`", self.owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Takes;

    const SPECS: &[OptionSpec] = &[
        OptionSpec {
            name: "momentum",
            takes: Takes::From(0.0, 1.0),
            default: "0.9",
            help: "",
        },
        OptionSpec {
            name: "metric",
            takes: Takes::OneOf(&["loss", "accuracy"]),
            default: "loss",
            help: "",
        },
    ];

    fn resolve(settings: &Settings) -> Result<Resolved, Refused> {
        Resolved::new("optimiser x", SPECS.iter(), settings)
    }

    #[test]
    fn an_option_that_is_not_set_has_its_default() {
        let resolved = resolve(&Settings::new().with("metric", "accuracy")).unwrap();
        assert_eq!(resolved.number("momentum"), 0.9);
        assert_eq!(resolved.word("metric"), "accuracy");
    }

    #[test]
    fn numbers_are_normalised() {
        let resolved = resolve(&Settings::new().with("momentum", "5e-1")).unwrap();
        assert_eq!(resolved.settings().text("momentum"), Some("0.5"));
    }

    #[test]
    fn an_unknown_option_is_an_error_that_lists_the_known_ones() {
        let refused = resolve(&Settings::new().with("momentun", 0.5)).unwrap_err();
        let known = vec!["momentum", "metric"];
        let option = "momentun".into();
        assert_eq!(refused, Refused::Unknown { option, known });
    }

    #[test]
    fn a_value_out_of_range_is_an_error_that_names_the_range() {
        let refused = resolve(&Settings::new().with("momentum", 1)).unwrap_err();
        let Refused::Value { expected, .. } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(expected, "a number of at least 0 and less than 1");
    }
}
