//! Random horizontal flip.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augmented_crop::WorkingCrop;
use super::{Augmentation, Description, Invalid, bounds};

/// Mirrors a picture left to right, as torchvision's `RandomHorizontalFlip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HorizontalFlip {
    /// Probability, 0 … 1.
    pub p: f64,
}

impl Default for HorizontalFlip {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Augmentation for HorizontalFlip {
    const DESCRIPTION: Description = Description {
        name: "horizontal_flip",
        paper: "torchvision RandomHorizontalFlip",
        summary: "mirrors the picture left to right",
        options: &[bounds::PROBABILITY],
    };

    fn validate(&self) -> Result<(), Invalid> {
        bounds::probability("p", self.p)
    }

    fn apply(&self, crop: &mut WorkingCrop, random: &mut ChaCha8Rng) {
        if random.random::<f64>() < self.p {
            let picture = crop.picture();
            let stride = picture.width() * 3;
            for row in picture.rgb_mut().chunks_exact_mut(stride) {
                row.as_chunks_mut::<3>().0.reverse();
            }
        }
    }
}
