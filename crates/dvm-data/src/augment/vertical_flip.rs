//! Random vertical flip.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augmented_crop::WorkingCrop;
use super::{Augmentation, Description, Invalid, bounds};

/// Mirrors a picture top to bottom, as torchvision's `RandomVerticalFlip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerticalFlip {
    /// Probability, 0 … 1.
    pub p: f64,
}

impl Default for VerticalFlip {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Augmentation for VerticalFlip {
    const DESCRIPTION: Description = Description {
        name: "vertical_flip",
        paper: "torchvision RandomVerticalFlip",
        summary: "mirrors the picture top to bottom",
        options: &[bounds::PROBABILITY],
    };

    fn validate(&self) -> Result<(), Invalid> {
        bounds::probability("p", self.p)
    }

    fn apply(&self, crop: &mut WorkingCrop, random: &mut ChaCha8Rng) {
        if random.random::<f64>() < self.p {
            let picture = crop.picture();
            let (half, stride) = (picture.height() / 2, picture.width() * 3);
            let rgb = picture.rgb_mut();
            let below = rgb.len() - half * stride;
            let (above, below) = rgb.split_at_mut(below);
            let above = above.chunks_exact_mut(stride);
            for (a, b) in above.zip(below.chunks_exact_mut(stride).rev()) {
                a.swap_with_slice(b);
            }
        }
    }
}
