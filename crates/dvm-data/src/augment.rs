//! Augmentation: random changes of pictures while they are loaded, against overfitting.
//!
//! Names and options are torchvision's. Each augmentation is one file and one line of the list here.

mod augmented_crop;
mod bounds;
mod colour_jitter;
mod horizontal_flip;
mod random_erasing;
mod random_resized_crop;
#[cfg(test)]
mod references;
mod rotation;
mod switch;
mod vertical_flip;

use dvm_image::{Picture, Preprocess};
use dvm_options::OptionSpec;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::random;
use augmented_crop::WorkingCrop;

pub use augmented_crop::AugmentedCrop;
pub use colour_jitter::ColourJitter;
pub use horizontal_flip::HorizontalFlip;
pub use random_erasing::RandomErasing;
pub use random_resized_crop::RandomResizedCrop;
pub use rotation::Rotation;
pub use vertical_flip::VerticalFlip;

/// The description of an augmentation in lists and help texts.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Its name in a configuration.
    pub name: &'static str,
    /// Its paper (arXiv id and year), or the library whose behaviour it has.
    pub paper: &'static str,
    /// A summary of one sentence.
    pub summary: &'static str,
    /// Its options. Defaults are JSON, which for numbers and lists of numbers is also TOML.
    pub options: &'static [OptionSpec],
}

/// A random change of a picture.
trait Augmentation {
    /// Its description.
    const DESCRIPTION: Description;

    /// Checks the options.
    fn validate(&self) -> Result<(), Invalid>;

    /// Changes the crop. All random numbers come from `random`.
    fn apply(&self, crop: &mut WorkingCrop, random: &mut ChaCha8Rng);
}

/// An invalid option. [`AugmentError`] adds the augmentation.
struct Invalid {
    option: &'static str,
    value: String,
    expected: &'static str,
}

/// An invalid option of an augmentation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("augmentation {name}: `{option}` must be {expected}, but is {value}")]
pub struct AugmentError {
    /// The augmentation.
    pub name: &'static str,
    /// Its option.
    pub option: &'static str,
    /// Its value.
    pub value: String,
    /// The valid values.
    pub expected: &'static str,
}

macro_rules! augmentations {
    ($($number:literal $name:ident: $kind:ident = $default:expr;)*) => {
        /// The augmentations that are on, and their options. They are applied in the order of the fields.
        ///
        /// In TOML and JSON each is `true` (on, with its default options), `false`, or a table of options.
        /// Missing ones are as in [`Augment::default`]. All fields are written.
        ///
        /// ```
        /// use dvm_data::augment::{Augment, RandomResizedCrop};
        ///
        /// let json = r#"{"random_resized_crop": {"scale": [0.4, 1]}, "horizontal_flip": false}"#;
        /// let augment: Augment = serde_json::from_str(json).unwrap();
        /// assert_eq!(augment.random_resized_crop.unwrap().scale, (0.4, 1.0));
        /// assert_eq!(augment.horizontal_flip, None);
        /// ```
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Augment {
            $(
                #[doc = concat!("See [`", stringify!($kind), "`].")]
                #[serde(with = "switch")]
                pub $name: Option<$kind>,
            )*
        }

        impl Default for Augment {
            /// A random resized crop and a horizontal flip, the usual augmentation for ImageNet.
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Augment {
            /// No augmentation: inputs are the same as in validation.
            pub fn none() -> Self {
                Self { $($name: None,)* }
            }

            /// Checks the options of the augmentations that are on.
            ///
            /// # Errors
            /// The first invalid option.
            pub fn validate(&self) -> Result<(), AugmentError> {
                $(if let Some(augmentation) = &self.$name {
                    augmentation.validate().map_err(|invalid| AugmentError {
                        name: stringify!($name),
                        option: invalid.option,
                        value: invalid.value,
                        expected: invalid.expected,
                    })?;
                })*
                Ok(())
            }

            /// The augmented crop of `original`, in place of the crop of `preprocess`.
            ///
            /// `position` is the sample's index in its split. Each augmentation has a separate random stream,
            /// `random::stream(seed, &[epoch, position, NUMBER])`, so results do not depend on the order of
            /// loading, and switching one augmentation off does not change the others.
            pub fn apply(
                &self,
                original: &Picture,
                preprocess: &Preprocess,
                seed: u64,
                epoch: u64,
                position: usize,
            ) -> AugmentedCrop {
                let mut crop = WorkingCrop::new(original, preprocess);
                $(if let Some(augmentation) = &self.$name {
                    let mut random = random::stream(seed, &[epoch, position as u64, $number]);
                    augmentation.apply(&mut crop, &mut random);
                })*
                crop.finish()
            }
        }

        /// All augmentations, in the order in which they are applied.
        pub const ALL: &[Description] = &[$($kind::DESCRIPTION),*];
    };
}

// The number of an augmentation must never change: it would change the results of every seed.
augmentations! {
    1 random_resized_crop: RandomResizedCrop = Some(RandomResizedCrop::default());
    2 horizontal_flip: HorizontalFlip = Some(HorizontalFlip::default());
    3 vertical_flip: VerticalFlip = None;
    4 rotation: Rotation = None;
    5 colour_jitter: ColourJitter = None;
    6 random_erasing: RandomErasing = None;
}

#[cfg(test)]
mod tests;
