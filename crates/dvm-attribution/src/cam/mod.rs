//! Class activation maps: which positions of a layer's feature map contribute to a target.
//!
//! A layer has activations `A` `[C, P]` (channels, positions) and the gradient `G` of the target's score with respect
//! to them. Most methods are one formula for the contribution of every channel and position; the map is the sum over
//! channels. The map at the layer's resolution, signed, is the raw array; the map `[H, W]` is its positive part,
//! upsampled bilinearly to the size of the picture, not rescaled.

pub(crate) mod ablation_cam;
mod augmentation;
pub(crate) mod eigen_cam;
pub(crate) mod eigengrad_cam;
pub(crate) mod element_wise_cam;
pub(crate) mod finer_cam;
mod first_component;
pub(crate) mod full_grad;
pub(crate) mod grad_cam;
pub(crate) mod grad_cam_plus_plus;
mod gradient_cam;
pub(crate) mod guided_grad_cam;
pub(crate) mod hires_cam;
mod layer;
pub(crate) mod layer_cam;
pub(crate) mod score_cam;
pub(crate) mod xgrad_cam;

use dvm_options::Takes;

pub use layer::usual_layer;

use crate::options::{LAYER, SCORE};
use crate::subject::finite;
use crate::upsample::bilinear;
use crate::{
    Array, Attribution, Error, OptionReader, OptionSpec, Score, SettingError, Subject, Target,
};
use gradient_cam::Reduction;
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

/// The settings that class activation maps share; those that a method does not have keep their defaults.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub layers: Layers,
    pub score: Score,
    pub augment: bool,
    pub smooth: bool,
}

impl Shared {
    pub fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            layers: options.written(&LAYER)?,
            score: options.word(&SCORE)?,
            augment: options.plain(&AUGMENT)?,
            smooth: options.plain(&SMOOTH)?,
        })
    }

    /// How channels become one map.
    pub fn reduction(&self) -> Reduction {
        match self.smooth {
            true => Reduction::Smooth,
            false => Reduction::Sum,
        }
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

/// The values `[C, positions]` of all channels, each times its weight.
fn weighted(values: &[f32], weights: &[f64]) -> Vec<f32> {
    let channels = values.chunks_exact(values.len() / weights.len());
    let product = |(channel, &weight): (&[f32], &f64)| -> Vec<f32> {
        let products = channel.iter().map(|&v| (weight * f64::from(v)) as f32);
        products.collect()
    };
    channels.zip(weights).flat_map(product).collect()
}

/// The raw maps of the layers as arrays with these names.
fn arrays(maps: Vec<RawMap>, names: [&'static str; MOST]) -> Vec<Array> {
    let maps = maps.into_iter().zip(names);
    maps.map(|(map, name)| Array::new(name, &[map.size.0, map.size.1], map.values))
        .collect()
}

/// The attribution from the raw maps of the layers: its title, what is summed, such as `weighted channels`, and the
/// name of the score.
pub(crate) fn attribution(
    subject: &Subject,
    target: &Target,
    (title, quantity, score): (&str, &str, &'static str),
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
            let quantity = format!("{} at {}", quantity, cam_layers.name(0));
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
            let quantity = format!(
                "mean of {} at {}, each with a largest value of 1",
                quantity,
                cam_layers.names()
            );
            (mean, quantity)
        }
    };
    Ok(Attribution {
        title: title.into(),
        quantity,
        score,
        arrays: arrays(maps, ARRAYS),
        warnings,
        ..Attribution::new(target, size, map)
    }
    .checked())
}
