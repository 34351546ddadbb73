//! The list of all methods. A new method is one file and one line in [`ALL`].

use std::fmt;

use dvm_options::Takes;

use crate::method::Recorded;
use crate::{
    Method, OptionReader, OptionSpec, Preset, SettingError, Settings, cam, gradient, perturbation,
    transformer,
};

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
    /// Makes it from the options that it reads.
    pub build: fn(&mut OptionReader) -> Result<Box<dyn Method>, SettingError>,
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
    gradient::guided_backprop::GUIDED_BACKPROP,
    gradient::plain::GRADIENT,
    gradient::deconvnet::DECONVNET,
    gradient::input_x_gradient::INPUT_X_GRADIENT,
    gradient::integrated::INTEGRATED_GRADIENTS,
    gradient::expected::EXPECTED_GRADIENTS,
    gradient::smoothgrad::SMOOTHGRAD,
    gradient::blur::BLUR_IG,
    gradient::guided::GUIDED_IG,
    gradient::deeplift::DEEPLIFT,
    cam::grad_cam::GRAD_CAM,
    cam::grad_cam_plus_plus::GRAD_CAM_PLUS_PLUS,
    cam::xgrad_cam::XGRAD_CAM,
    cam::hires_cam::HIRES_CAM,
    cam::layer_cam::LAYER_CAM,
    cam::element_wise_cam::ELEMENT_WISE_CAM,
    cam::eigen_cam::EIGEN_CAM,
    cam::eigengrad_cam::EIGENGRAD_CAM,
    cam::score_cam::SCORE_CAM,
    cam::ablation_cam::ABLATION_CAM,
    cam::finer_cam::FINER_CAM,
    cam::full_grad::FULL_GRAD,
    cam::guided_grad_cam::GUIDED_GRAD_CAM,
    perturbation::occlusion::OCCLUSION,
    perturbation::rise::RISE,
    perturbation::feature_ablation::FEATURE_ABLATION,
    perturbation::kernel_shap::KERNEL_SHAP,
    perturbation::lime::LIME,
    perturbation::shapley_sampling::SHAPLEY_SAMPLING,
    perturbation::extremal::EXTREMAL_PERTURBATION,
    perturbation::xrai::XRAI,
    transformer::attention_rollout::ATTENTION_ROLLOUT,
    transformer::attention_relevance::ATTENTION_RELEVANCE,
    transformer::legrad::LEGRAD,
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
        let mut options = OptionReader::new(self.options, &all);
        let method = (self.build)(&mut options)?;
        Ok(Box::new(Recorded {
            method,
            parameters: options.into_record(),
        }))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Map, Value};

    use super::*;

    /// Checks that the defaults of `options` are what an entry does, and that every option is in its record, which
    /// `recorded` returns for some settings.
    pub(crate) fn check_options(
        name: &str,
        options: &[OptionSpec],
        recorded: impl Fn(&Settings) -> Map<String, Value>,
    ) {
        let plain = recorded(&Settings::new());
        let spelled_out = options.iter().fold(Settings::new(), |settings, option| {
            settings.with(option.name, option.default)
        });
        assert_eq!(plain, recorded(&spelled_out), "{name}");
        for option in options {
            assert!(plain.contains_key(option.name), "{name} {}", option.name);
        }
    }

    #[test]
    fn the_defaults_in_the_list_are_those_of_the_method_and_in_its_record() {
        for entry in ALL {
            check_options(entry.name, entry.options, |settings| {
                entry.method(settings).unwrap().parameters()
            });
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
