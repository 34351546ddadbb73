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
    /// How it asks the network.
    pub family: Family,
    /// How often the network is walked for one map.
    pub cost: &'static str,
    /// For which networks it is defined.
    pub networks: &'static str,
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

/// How a method asks the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// It walks back to the picture.
    Gradient,
    /// It looks at feature maps: class activation maps.
    Cam,
    /// It changes the picture.
    Perturbation,
    /// It looks at the attention of a transformer.
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
pub static ALL: &[Entry] = &[
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

/// The method of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}

/// The option of every method with presets.
const PRESET: OptionSpec = OptionSpec {
    name: "preset",
    takes: Takes::Text("NAME"),
    default: "",
    help: "several options at once; those given beside it win",
};

impl Entry {
    /// Whether it has an option of this name.
    pub fn takes(&self, option: &str) -> bool {
        let is_preset = option == PRESET.name && !self.presets.is_empty();
        is_preset || self.options.iter().any(|spec| spec.name == option)
    }

    /// Makes the method. The option `preset` first sets all that the preset says.
    ///
    /// # Errors
    /// [`SettingError`] for a value that an option does not take, or a preset that is not there.
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
            "the option `overlap` does not take `mean`: it is one of cell, average, sum"
        );
    }
}
