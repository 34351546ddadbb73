//! Deep Vision Mask: see what an image classifier looks at.
//!
//! ```
//! # fn main() -> Result<(), dvm::Error> {
//! # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
//! # let folder = tempfile::tempdir().unwrap();
//! # let out = folder.path().join("coffee");
//! let classifier = dvm::Classifier::embedded()?;
//! let picture = dvm::read("assets/samples/coffee.png")?;
//! let options = dvm::Explain::methods("guided-backprop")?;
//! let explanations = classifier.explain(picture, &options)?;
//! explanations[0].save(&out)?;
//! # assert_eq!(explanations[0].class_name(), "espresso");
//! # assert!(out.join("figure.png").exists());
//! # Ok(())
//! # }
//! ```
//!
//! A [`Classifier`] is a network with its classes and its preprocessing. It predicts the class of a picture
//! ([`Classifier::classify`]) and explains the prediction ([`Classifier::explain`]). An [`Explanation`]
//! contains the maps as numbers and saves them as pictures, arrays and a record of how they were made.
//! [`methods`] lists the methods, [`models`] the networks; [`weights`] downloads and finds published
//! weights; [`data`] prepares and checks data sets.

mod bench;
mod caption;
mod checks;
mod chosen;
mod classes;
mod classifier;
pub mod compare;
mod device;
mod drawing;
mod error;
mod explain;
mod explanation;
mod files;
mod gradient_check;
mod inspection;
mod lock;
mod nearest;
mod network_drawing;
mod network_record;
mod numbers;
mod preprocess;
pub mod regions;
mod request;
mod results;
mod source;
pub mod survey;
mod system_words;
mod threads;
pub mod training;
mod unit;
pub mod weights;

pub(crate) use bench::machine_memory;
pub use bench::{Bench, Measured, Work};
pub use caption::Caption;
pub use checks::{Checked, Checks};
pub use classes::{ClassChoice, read_class_names};
pub use classifier::{Classifier, Opening, Prediction, Ranked};
pub use device::{DeviceChoice, DeviceInfo, OpenedDevice, devices, left_to_cpu};
pub use drawing::{FigureFormat, OverlayStyle};
pub use error::{Error, with_causes};
pub use explain::{Explain, Objects, Progress, WindowOutput};
pub use explanation::{CUT_OFF, Explanation};
pub use files::FileKind;
pub use inspection::Inspection;
pub use nearest::{about_model, nearest};
pub use network_drawing::draw_network;
pub use preprocess::{parse_preprocess, preprocess_in_words, read_preprocess};
pub use results::{ResultFolder, Size, check_output};
pub use source::Source;
pub use system_words::{system_words, without_system_text};
pub use threads::start_threads;
pub use unit::Unit;

pub use dvm_attribution::cam::usual_layer;
pub use dvm_attribution::metrics;
pub use dvm_attribution::registry as methods;
pub use dvm_attribution::{Array, Attribution, Baseline, Cells, Check, Target, ValueKind};
pub use dvm_data as data;
pub use dvm_engine as engine;
pub use dvm_fetch as fetch;
pub use dvm_fetch::sha256_of;
pub use dvm_image::{
    Channels, ENDINGS, Error as PictureError, Input, Interpolation, Levels, Limits, Picture,
    Preprocess, PreprocessField, Range, Reading, Resize, StagedFile, discard_unfinished,
    encode_jpeg, encode_npy, encode_png, fixed_percent, is_named_as_picture, is_recognised,
    percent, resize, short_percent, write_atomic,
};
pub use dvm_options::{OptionSpec, SettingError, Settings, Takes};
pub use dvm_render::{
    Bar, ColourMap, FontError, Neutral, Page, Scale, add_font, bar_chart, font_warning,
};
pub use dvm_zoo as models;

/// The default network.
pub const DEFAULT_MODEL: &str = "efficientnet_lite0";

/// The default methods.
pub const DEFAULT_METHODS: &str = "guided-backprop,occlusion";

/// Reads a picture within the default limits of size.
///
/// # Errors
/// [`Error::Picture`], naming the file and what is wrong with it.
pub fn read(path: impl AsRef<std::path::Path>) -> Result<Picture, Error> {
    Ok(dvm_image::read(path.as_ref(), &Limits::default())?)
}
