//! An explanation as data for a browser. The same in TypeScript: `front/src/shared/types.ts`.

mod colours;
mod map;
mod packed;

use base64::prelude::{BASE64_STANDARD, Engine};
use dvm::{Explanation, Picture, Ranked, encode_jpeg, encode_png};
use serde::Serialize;
use serde_json::Value;

pub use colours::{Colours, colours};
pub use map::{CellsView, CheckView, MapView, ScaleView, maps};
pub use packed::Packed;

/// The precision of pictures and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Pictures as PNG, numbers of 16 bits.
    Full,
    /// Pictures as JPEG, numbers of 8 bits, for many pictures.
    Small,
}

/// Quality of JPEG files, of 100; the loss is hardly visible.
const QUALITY: u8 = 88;

impl Detail {
    /// Bits of a number.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::Full => 16,
            Self::Small => 8,
        }
    }

    /// The number of most probable classes with scores of covered windows.
    pub(crate) fn classes(self) -> usize {
        match self {
            Self::Full => 10,
            Self::Small => 5,
        }
    }

    /// The picture as a data URL.
    pub(crate) fn picture(self, picture: &Picture) -> String {
        match self {
            Self::Full => data_url("image/png", &encode_png(picture)),
            Self::Small => data_url("image/jpeg", &encode_jpeg(picture, QUALITY)),
        }
    }
}

/// A file as a data URL.
pub(crate) fn data_url(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes))
}

/// A warning with its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// `picture`, `network`, `figure`, or the name of a method.
    pub source: String,
    /// The warning.
    pub text: String,
}

/// The explanation of one class of one picture.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplanationView {
    /// The picture's file or name.
    pub name: String,
    /// The target: the class, or `tabby against tiger cat`.
    pub title: String,
    /// The score as text: `96.2 %`.
    pub score: String,
    /// The class.
    pub class: Ranked,
    /// The most probable classes.
    pub top: Vec<Ranked>,
    /// The true class, if known.
    pub true_class: Option<String>,
    /// All warnings.
    pub warnings: Vec<Warning>,
    /// Rows and columns of the crop.
    pub size: [usize; 2],
    /// The crop as a data URL.
    pub input: String,
    /// One for each method.
    pub maps: Vec<MapView>,
    /// As [`Explanation::record`].
    pub record: Value,
}

impl ExplanationView {
    /// The view of `explanation`. `record` is its [`Explanation::record`], possibly with additions.
    pub fn new(explanation: &Explanation, name: &str, record: Value, detail: Detail) -> Self {
        let crop = explanation.crop();
        Self {
            name: name.to_owned(),
            title: explanation.title(),
            score: explanation.score(),
            class: Ranked {
                index: explanation.class(),
                name: explanation.class_name().to_owned(),
                probability: explanation.probability(),
            },
            top: explanation.prediction().top(detail.classes()).to_vec(),
            true_class: explanation.caption().true_class.clone(),
            warnings: warnings(explanation),
            size: [crop.height(), crop.width()],
            input: detail.picture(crop),
            maps: maps(explanation, &record, detail),
            record,
        }
    }
}

/// The warnings of an explanation.
pub fn warnings(explanation: &Explanation) -> Vec<Warning> {
    let warnings = explanation.warnings();
    warnings
        .map(|(source, text)| Warning {
            source: source.to_owned(),
            text,
        })
        .collect()
}
