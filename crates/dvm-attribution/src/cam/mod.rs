//! Class activation maps: which positions of a layer's feature map contribute to a target.
//!
//! A layer has activations `A` `[C, P]` (channels, positions) and the gradient `G` of the target's score with respect
//! to them. Most methods are one formula for the contribution of every channel and position; the map is the sum over
//! channels. The map at the layer's resolution, signed, is the raw array; the map `[H, W]` is its positive part,
//! upsampled bilinearly to the size of the picture, not rescaled.

mod ablation_cam;
mod augmentation;
mod eigen_cam;
mod eigengrad_cam;
mod element_wise_cam;
mod finer_cam;
mod first_component;
mod full_grad;
mod grad_cam;
mod grad_cam_plus_plus;
mod gradient_cam;
mod guided_grad_cam;
mod hires_cam;
mod layer;
mod layer_cam;
mod score_cam;
mod xgrad_cam;

use dvm_options::Takes;
use serde_json::{Map, Value};

pub use ablation_cam::ABLATION_CAM;
pub use eigen_cam::EIGEN_CAM;
pub use eigengrad_cam::EIGENGRAD_CAM;
pub use element_wise_cam::ELEMENT_WISE_CAM;
pub use finer_cam::FINER_CAM;
pub use full_grad::FULL_GRAD;
pub use grad_cam::GRAD_CAM;
pub use grad_cam_plus_plus::GRAD_CAM_PLUS_PLUS;
pub use guided_grad_cam::GUIDED_GRAD_CAM;
pub use hires_cam::HIRES_CAM;
pub use layer::usual_layer;
pub use layer_cam::LAYER_CAM;
pub use score_cam::SCORE_CAM;
pub use xgrad_cam::XGRAD_CAM;

use crate::options::{LAYER, SCORE};
use crate::subject::finite;
use crate::upsample::bilinear;
use crate::{
    Array, Attribution, Error, OptionSpec, Score, SettingError, Settings, Subject, Target,
    ValueKind,
};
use layer::{CamLayers, Layers, MOST};

/// The networks that class activation maps work with.
const NETWORKS: &str = "all with a feature map or patch tokens";

/// Whether the maps of augmented pictures are averaged.
pub(crate) const AUGMENT: OptionSpec = OptionSpec {
    name: "augment",
    takes: Takes::Flag,
    default: "false",
    help: "average the maps of six pictures: the picture and its mirror image, each with \
           normalised values times 0.9, 1 and 1.1 (aug_smooth of pytorch-grad-cam)",
};

/// Whether the first principal component of the channels replaces their sum.
pub(crate) const SMOOTH: OptionSpec = OptionSpec {
    name: "smooth",
    takes: Takes::Flag,
    default: "false",
    help: "take the first principal component of the channels instead of their sum, which removes \
           noise (eigen_smooth of pytorch-grad-cam)",
};

/// Names of the raw arrays of several layers.
const ARRAYS: [&str; MOST] = [
    Array::RAW,
    "layer2",
    "layer3",
    "layer4",
    "layer5",
    "layer6",
    "layer7",
    "layer8",
];

/// The settings that class activation maps share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub layers: Layers,
    pub score: Score,
    pub augment: bool,
    pub smooth: bool,
}

impl Shared {
    pub fn new(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self {
            layers: LAYER.of(settings)?,
            score: SCORE.of(settings)?,
            augment: AUGMENT.of(settings)?,
            smooth: SMOOTH.of(settings)?,
        })
    }

    /// Those of these options, for the record.
    pub fn parameters(&self, options: &[OptionSpec]) -> Map<String, Value> {
        let all = [
            (LAYER.name, Value::from(self.layers.text())),
            (SCORE.name, self.score.word().into()),
            (AUGMENT.name, self.augment.into()),
            (SMOOTH.name, self.smooth.into()),
        ];
        let is_option = |name: &str| options.iter().any(|option| option.name == name);
        let own = all.into_iter().filter(|(name, _)| is_option(name));
        own.map(|(name, value)| (name.into(), value)).collect()
    }
}

/// A class activation map at the resolution of its layer, signed, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawMap {
    pub size: (usize, usize),
    pub values: Vec<f32>,
}

impl RawMap {
    /// The positive part, upsampled to the size of the picture.
    fn positive_at(&self, size: (usize, usize)) -> Vec<f32> {
        let positive: Vec<f32> = self.values.iter().map(|v| v.max(0.0)).collect();
        bilinear(&positive, self.size, size)
    }
}

/// The names of an attribution.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub title: &'a str,
    /// What is summed, such as `weighted channels`.
    pub quantity: &'a str,
    pub score: &'static str,
}

/// The attribution from the raw maps of the layers.
pub(crate) fn attribution(
    subject: &Subject,
    target: &Target,
    names: Names,
    cam_layers: &CamLayers,
    maps: Vec<RawMap>,
) -> Result<Attribution, Error> {
    for map in &maps {
        finite("the class activation map", &map.values)?;
    }
    let size = subject.size();
    let mut warnings = Vec::new();
    for (index, map) in maps.iter().enumerate() {
        if map.size.0 * map.size.1 == 1 {
            warnings.push(format!(
                "the layer `{}` has a single position, so the map is the same everywhere; choose \
                 an earlier layer with the option `layer`",
                cam_layers.name(index)
            ));
        }
    }
    let (map, quantity) = match &maps[..] {
        [one] => {
            let quantity = format!("{} at {}", names.quantity, cam_layers.name(0));
            (one.positive_at(size), quantity)
        }
        several => {
            // Gradients of layers at different depths have different magnitudes.
            let mut mean = vec![0.0f64; size.0 * size.1];
            for one in several {
                let own = one.positive_at(size);
                let largest = own.iter().copied().fold(0.0, f32::max);
                if largest > 0.0 {
                    for (mean, own) in mean.iter_mut().zip(own) {
                        *mean += f64::from(own / largest) / several.len() as f64;
                    }
                }
            }
            let mean = mean.into_iter().map(|v| v as f32).collect();
            let layers: Vec<&str> = (0..several.len())
                .map(|index| cam_layers.name(index))
                .collect();
            let what = "each with a largest value of 1";
            let quantity = format!(
                "mean of {} at {}, {what}",
                names.quantity,
                layers.join(", ")
            );
            (mean, quantity)
        }
    };
    let arrays = maps.into_iter().zip(ARRAYS);
    let arrays = arrays
        .map(|(map, name)| Array::new(name, &[map.size.0, map.size.1], map.values))
        .collect();
    let attribution = Attribution {
        target: target.clone(),
        title: names.title.into(),
        quantity,
        score: names.score,
        map,
        size,
        smooth: None,
        arrays,
        value_kind: ValueKind::Positive,
        warnings,
        checks: Vec::new(),
    };
    Ok(attribution.checked())
}
