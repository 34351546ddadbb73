//! Pictures changed at random while they are loaded, so that a network does not learn them by heart.
//!
//! Names and meanings are those of torchvision. Each augmentation is one file and one line of the
//! list in this one.

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
mod view;

use dvm_image::{Picture, Preprocess};
use dvm_options::OptionSpec;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::random;
use view::View;

pub use colour_jitter::ColourJitter;
pub use horizontal_flip::HorizontalFlip;
pub use random_erasing::RandomErasing;
pub use random_resized_crop::RandomResizedCrop;
pub use rotation::Rotation;
pub use vertical_flip::VerticalFlip;
pub use view::Seen;

/// What the lists and help texts say of an augmentation.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Its name in a configuration.
    pub name: &'static str,
    /// Where it was described: an arXiv id with the year, or the library whose semantics it has.
    pub paper: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Its options. Defaults are written as JSON, which for numbers and lists of numbers is TOML as well.
    pub options: &'static [OptionSpec],
}

/// One way to change a picture at random.
trait Augmentation {
    /// What the lists say of it.
    const DESCRIPTION: Description;

    /// Checks the options.
    fn validate(&self) -> Result<(), Invalid>;

    /// Changes the view. What it draws comes from `random`, and from nothing else.
    fn apply(&self, view: &mut View, random: &mut ChaCha8Rng);
}

/// An option that makes no sense; [`AugmentError`] adds the augmentation.
struct Invalid {
    option: &'static str,
    value: String,
    expected: &'static str,
}

/// An augmentation with an option that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("augmentation {name}: \"{option}\" is {value}, but it is {expected}")]
pub struct AugmentError {
    /// The augmentation.
    pub name: &'static str,
    /// Its option.
    pub option: &'static str,
    /// What the option is set to.
    pub value: String,
    /// What it could be.
    pub expected: &'static str,
}

macro_rules! augmentations {
    ($($number:literal $name:ident: $kind:ident = $default:expr;)*) => {
        /// Which augmentations are on, and their options; those that are on are done in the order
        /// of the fields.
        ///
        /// In TOML and JSON each is `true` (on, with its default options), `false`, or a table of
        /// options. What is not mentioned is as in [`Augment::default`]. It is written back in full.
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
            /// A random resized crop and a horizontal flip: what ImageNet networks are trained with.
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Augment {
            /// None at all: pictures as validation sees them.
            pub fn none() -> Self {
                Self { $($name: None,)* }
            }

            /// Checks the options of all that are on.
            ///
            /// # Errors
            /// Names the first option that makes no sense.
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

            /// What a network sees of `original` instead of the crop that `preprocess` makes.
            ///
            /// `position` is that of the sample in its split. Every augmentation draws from a
            /// stream of its own, `random::stream(seed, &[epoch, position, NUMBER])`: turning one
            /// off changes nothing of the others, and the order of loading changes nothing at all.
            pub fn apply(
                &self,
                original: &Picture,
                preprocess: &Preprocess,
                seed: u64,
                epoch: u64,
                position: usize,
            ) -> Seen {
                let mut view = View::new(original, preprocess);
                $(if let Some(augmentation) = &self.$name {
                    let mut random = random::stream(seed, &[epoch, position as u64, $number]);
                    augmentation.apply(&mut view, &mut random);
                })*
                view.seen()
            }
        }

        /// All augmentations, in the order in which they are done.
        pub const ALL: &[Description] = &[$($kind::DESCRIPTION),*];
    };
}

// A number belongs to its augmentation for good: another would change what every seed draws.
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
