//! The list of all methods. A new method is one file and one line in [`ALL`].

use crate::gradient::{DECONVNET, GRADIENT, GUIDED_BACKPROP, INPUT_X_GRADIENT};
use crate::perturbation::OCCLUSION;
use crate::{Method, OptionSpec, SettingError, Settings};

/// A method: what people see of it, and how it is made.
pub struct Entry {
    /// The name to ask for it by, and of its files.
    pub name: &'static str,
    /// The name above its picture.
    pub title: &'static str,
    /// What it shows, in one sentence.
    pub summary: &'static str,
    /// Where it was published.
    pub reference: Reference,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// Named sets of options.
    pub presets: &'static [Preset],
    /// Makes it from the options given; those of other methods are ignored.
    pub build: fn(&Settings) -> Result<Box<dyn Method>, SettingError>,
}

/// Where a method was published.
pub struct Reference {
    /// Family names of the authors.
    pub authors: &'static str,
    /// Year of the first version.
    pub year: u16,
    /// Title of the paper.
    pub title: &'static str,
    /// Its arXiv id.
    pub arxiv: &'static str,
}

/// A named set of options, such as the conventions of another tool.
pub struct Preset {
    /// The name to ask for it by.
    pub name: &'static str,
    /// Whose conventions these are.
    pub summary: &'static str,
    /// The options it sets; options given beside it win.
    pub options: &'static [(&'static str, &'static str)],
}

/// All methods.
pub static ALL: &[Entry] = &[
    GUIDED_BACKPROP,
    GRADIENT,
    DECONVNET,
    INPUT_X_GRADIENT,
    OCCLUSION,
];

/// The method of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}

impl Entry {
    /// Makes the method. The option `preset` first sets all that the preset says.
    ///
    /// # Errors
    /// [`SettingError`] for a value that an option does not take, or a preset that is not there.
    pub fn method(&self, settings: &Settings) -> Result<Box<dyn Method>, SettingError> {
        let mut all = Settings::new();
        if let (Some(name), false) = (settings.text("preset"), self.presets.is_empty()) {
            let preset = self
                .presets
                .iter()
                .find(|p| p.name == name)
                .ok_or_else(|| {
                    let names: Vec<&str> = self.presets.iter().map(|p| p.name).collect();
                    SettingError::new("preset", name, format!("it is one of {}", names.join(", ")))
                })?;
            for (option, value) in preset.options {
                all = all.with(option, value);
            }
        }
        for option in settings.names() {
            all = all.with(option, settings.text(option).expect("it was given"));
        }
        (self.build)(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_in_the_list_is_what_the_method_does() {
        for entry in ALL {
            let plain = entry.method(&Settings::new()).unwrap().parameters();
            let mut spelled_out = Settings::new();
            for option in entry.options {
                spelled_out = spelled_out.with(option.name, option.default);
            }
            let spelled_out = entry.method(&spelled_out).unwrap().parameters();
            assert_eq!(plain, spelled_out, "{}", entry.name);
        }
    }

    #[test]
    fn every_option_is_written_into_the_record() {
        for entry in ALL {
            let record = entry.method(&Settings::new()).unwrap().parameters();
            for option in entry.options {
                assert!(
                    record.contains_key(option.name),
                    "{} {}",
                    entry.name,
                    option.name
                );
            }
        }
    }

    #[test]
    fn every_preset_can_be_made() {
        for entry in ALL {
            for preset in entry.presets {
                let settings = Settings::new().with("preset", preset.name);
                assert!(entry.method(&settings).is_ok(), "{}", preset.name);
            }
        }
    }

    #[test]
    fn an_option_beside_a_preset_wins() {
        let occlusion = find("occlusion").unwrap();
        let settings = Settings::new().with("preset", "seed").with("fill", "grey");
        let record = occlusion.method(&settings).unwrap().parameters();
        assert_eq!(record["fill"], "grey");
        assert_eq!(record["space"], "image");
    }

    #[test]
    fn a_wrong_value_names_the_option_and_what_it_takes() {
        let occlusion = find("occlusion").unwrap();
        let settings = Settings::new().with("overlap", "mean");
        let error = occlusion.method(&settings).err().unwrap();
        assert_eq!(
            error.to_string(),
            "--overlap does not take `mean`: it is one of cell, average, sum"
        );
    }
}
