//! Settings with every default filled in.

use crate::{OptionSpec, Settings};

/// Settings with every default filled in, whose values are those that the options take.
#[derive(Clone, Debug)]
pub struct Resolved {
    owner: String,
    settings: Settings,
}

/// Why settings cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An option that is not there; the names of those that are.
    Unknown {
        /// The option given.
        option: String,
        /// Those there are.
        known: Vec<&'static str>,
    },
    /// A value that the option does not take.
    Value {
        /// The option.
        option: String,
        /// The value given.
        value: String,
        /// What it takes.
        expected: String,
    },
}

impl Resolved {
    /// The settings of `owner`, such as `optimiser sgd`, which has these options.
    ///
    /// # Errors
    /// [`Refused`] for an option that is not there, or a value that one does not take.
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

    /// All options with their values.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whose they are.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// A number.
    ///
    /// # Panics
    /// If there is no number of this name: a mistake in the file that asks.
    pub fn number(&self, name: &str) -> f64 {
        let number = self.word(name).parse();
        number.unwrap_or_else(|_| panic!("`{name}` of {} is no number", self.owner))
    }

    /// A flag.
    ///
    /// # Panics
    /// As [`Resolved::number`].
    pub fn flag(&self, name: &str) -> bool {
        let flag = self.word(name).parse();
        flag.unwrap_or_else(|_| panic!("`{name}` of {} is no flag", self.owner))
    }

    /// A word.
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
    fn what_is_not_given_has_its_default() {
        let resolved = resolve(&Settings::new().with("metric", "accuracy")).unwrap();
        assert_eq!(resolved.number("momentum"), 0.9);
        assert_eq!(resolved.word("metric"), "accuracy");
    }

    #[test]
    fn a_number_is_written_in_one_way() {
        let resolved = resolve(&Settings::new().with("momentum", "5e-1")).unwrap();
        assert_eq!(resolved.settings().text("momentum"), Some("0.5"));
    }

    #[test]
    fn an_unknown_option_is_refused_with_those_there_are() {
        let refused = resolve(&Settings::new().with("momentun", 0.5)).unwrap_err();
        let known = vec!["momentum", "metric"];
        let option = "momentun".into();
        assert_eq!(refused, Refused::Unknown { option, known });
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_the_range() {
        let refused = resolve(&Settings::new().with("momentum", 1)).unwrap_err();
        let Refused::Value { expected, .. } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(expected, "a number from 0 to below 1");
    }
}
