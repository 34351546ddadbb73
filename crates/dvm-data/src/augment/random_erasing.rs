//! Random erasing of a rectangle.

use dvm_options::{OptionSpec, Takes};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augmented_crop::WorkingCrop;
use super::random_resized_crop::sides;
use super::{Augmentation, Description, Invalid, bounds};

/// Random erasing (Zhong et al. 2017, arXiv 1708.04896), as torchvision's `RandomErasing` with value 0: sets
/// a rectangle of random size, ratio and position to 0 after normalisation, which is the mean colour. If none
/// of ten rectangles fits, nothing is erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomErasing {
    /// Probability, 0 … 1.
    pub p: f64,
    /// Smallest and largest share of the crop's area, uniformly distributed.
    pub scale: (f64, f64),
    /// Smallest and largest height divided by width; its logarithm is uniformly distributed.
    pub ratio: (f64, f64),
}

impl Default for RandomErasing {
    fn default() -> Self {
        Self {
            p: 0.5,
            scale: (0.02, 0.33),
            ratio: (0.3, 3.3),
        }
    }
}

impl Augmentation for RandomErasing {
    const DESCRIPTION: Description = Description {
        name: "random_erasing",
        paper: "1708.04896 (2017)",
        summary: "sets a rectangle of random size and position to the mean colour",
        options: &[
            bounds::PROBABILITY,
            OptionSpec {
                name: "scale",
                takes: Takes::Text("[LOW, HIGH]"),
                default: "[0.02, 0.33]",
                help: "smallest and largest share of the picture's area",
            },
            OptionSpec {
                name: "ratio",
                takes: Takes::Text("[LOW, HIGH]"),
                default: "[0.3, 3.3]",
                help: "smallest and largest height divided by width",
            },
        ],
    };

    fn validate(&self) -> Result<(), Invalid> {
        bounds::probability("p", self.p)?;
        bounds::scale("scale", self.scale)?;
        bounds::ratio("ratio", self.ratio)
    }

    fn apply(&self, crop: &mut WorkingCrop, random: &mut ChaCha8Rng) {
        const TRIES: usize = 10;
        if random.random::<f64>() >= self.p {
            return;
        }
        let (height, width) = crop.preprocess.crop;
        for _ in 0..TRIES {
            let (down, across) = sides((height * width) as f64, self.scale, self.ratio, random);
            if down < height && across < width {
                let top = random.random_range(0..=height - down);
                let left = random.random_range(0..=width - across);
                crop.erased = Some((top..top + down, left..left + across));
                return;
            }
        }
    }
}
