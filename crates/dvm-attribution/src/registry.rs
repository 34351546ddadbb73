//! The list of all methods. A new method is one file and one line in [`ALL`].

use std::fmt;

use dvm_options::Takes;

use crate::cam::{
    ABLATION_CAM, EIGEN_CAM, EIGENGRAD_CAM, ELEMENT_WISE_CAM, FINER_CAM, FULL_GRAD, GRAD_CAM,
    GRAD_CAM_PLUS_PLUS, GUIDED_GRAD_CAM, HIRES_CAM, LAYER_CAM, SCORE_CAM, XGRAD_CAM,
};
use crate::gradient::{
    BLUR_IG, DECONVNET, DEEPLIFT, EXPECTED_GRADIENTS, GRADIENT, GUIDED_BACKPROP, GUIDED_IG,
    INPUT_X_GRADIENT, INTEGRATED_GRADIENTS, SMOOTHGRAD,
};
use crate::perturbation::{
    EXTREMAL_PERTURBATION, FEATURE_ABLATION, KERNEL_SHAP, LIME, OCCLUSION, RISE, SHAPLEY_SAMPLING,
    XRAI,
};
use crate::transformer::{ATTENTION_RELEVANCE, ATTENTION_ROLLOUT, LEGRAD};
use crate::{Method, OptionSpec, Preset, SettingError, Settings};

/// A method: its description, and how it is made.
pub struct MethodEntry {
    /// The name by which it is selected, also of its files.
    pub name: &'static str,
    /// The title of its map.
    pub title: &'static str,
    /// What it computes, in one sentence.
    pub summary: &'static str,
    /// Where it was published.
    pub reference: Reference,
    /// What it uses.
    pub family: Family,
    /// The number of passes through the network for one map.
    pub cost: &'static str,
    /// The networks that it works with.
    pub networks: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// Named sets of options.
    pub presets: &'static [Preset],
    /// Makes it from the options given; ignores those of other methods.
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
    /// Where to find it.
    pub published: Published,
}

/// Where a paper can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Its arXiv id.
    Arxiv(&'static str),
    /// Its digital object identifier.
    Doi(&'static str),
    /// Its address.
    Page(&'static str),
}

impl Published {
    /// The address of its page.
    pub fn link(self) -> String {
        match self {
            Self::Arxiv(id) => format!("https://arxiv.org/abs/{id}"),
            Self::Doi(id) => format!("https://doi.org/{id}"),
            Self::Page(address) => address.into(),
        }
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arxiv(id) => write!(f, "arXiv {id}"),
            Self::Doi(id) => write!(f, "doi {id}"),
            Self::Page(address) => f.write_str(address),
        }
    }
}

/// What a method uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Gradients with respect to the picture.
    Gradient,
    /// Feature maps: class activation maps.
    Cam,
    /// Outputs for changed pictures.
    Perturbation,
    /// The attention of transformers.
    Transformer,
}

impl Family {
    /// All of them, in the order of the lists.
    pub const ALL: [Self; 4] = [
        Self::Gradient,
        Self::Cam,
        Self::Perturbation,
        Self::Transformer,
    ];

    /// Its name in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gradient => "gradients",
            Self::Cam => "class activation maps",
            Self::Perturbation => "changed pictures",
            Self::Transformer => "attention of transformers",
        }
    }
}

/// All methods.
pub static ALL: &[MethodEntry] = &[
    GUIDED_BACKPROP,
    GRADIENT,
    DECONVNET,
    INPUT_X_GRADIENT,
    INTEGRATED_GRADIENTS,
    EXPECTED_GRADIENTS,
    SMOOTHGRAD,
    BLUR_IG,
    GUIDED_IG,
    DEEPLIFT,
    GRAD_CAM,
    GRAD_CAM_PLUS_PLUS,
    XGRAD_CAM,
    HIRES_CAM,
    LAYER_CAM,
    ELEMENT_WISE_CAM,
    EIGEN_CAM,
    EIGENGRAD_CAM,
    SCORE_CAM,
    ABLATION_CAM,
    FINER_CAM,
    FULL_GRAD,
    GUIDED_GRAD_CAM,
    OCCLUSION,
    RISE,
    FEATURE_ABLATION,
    KERNEL_SHAP,
    LIME,
    SHAPLEY_SAMPLING,
    EXTREMAL_PERTURBATION,
    XRAI,
    ATTENTION_ROLLOUT,
    ATTENTION_RELEVANCE,
    LEGRAD,
];

/// The method with this name.
pub fn find(name: &str) -> Option<&'static MethodEntry> {
    ALL.iter().find(|entry| entry.name == name)
}

/// The option of all methods that have presets.
const PRESET: OptionSpec = OptionSpec {
    name: "preset",
    takes: Takes::Text("NAME"),
    default: "",
    help: "set several options at once; options given separately take precedence",
};

impl MethodEntry {
    /// Whether it has an option with this name.
    pub fn takes(&self, option: &str) -> bool {
        let is_preset = option == PRESET.name && !self.presets.is_empty();
        is_preset || self.options.iter().any(|spec| spec.name == option)
    }

    /// Makes the method. The option `preset` sets the options of that preset first.
    ///
    /// # Errors
    /// [`SettingError`] for an invalid value of an option, or an unknown preset.
    pub fn method(&self, settings: &Settings) -> Result<Box<dyn Method>, SettingError> {
        let mut all = settings.clone();
        if let (Some(name), false) = (settings.text(PRESET.name), self.presets.is_empty()) {
            let mut presets = self.presets.iter();
            let preset = presets.find(|preset| preset.name == name);
            let preset = preset.ok_or_else(|| {
                let names: Vec<&str> = self.presets.iter().map(|p| p.name).collect();
                PRESET.refuse(name, format!("it is one of {}", names.join(", ")))
            })?;
            all = all.or(&preset.settings());
        }
        (self.build)(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_in_the_list_are_those_of_the_method() {
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
    fn an_option_takes_precedence_over_a_preset() {
        let occlusion = find("occlusion").unwrap();
        let settings = Settings::new().with("preset", "seed").with("fill", "grey");
        let record = occlusion.method(&settings).unwrap().parameters();
        assert_eq!(record["fill"], "grey");
        assert_eq!(record["space"], "image");
    }

    #[test]
    fn an_invalid_value_is_an_error_with_the_option_and_its_values() {
        let occlusion = find("occlusion").unwrap();
        let settings = Settings::new().with("overlap", "mean");
        let error = occlusion.method(&settings).err().unwrap();
        assert_eq!(
            error.to_string(),
            "invalid value `mean` for the option `overlap`: it must be one of cell, average, sum"
        );
    }
}
