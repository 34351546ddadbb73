//! How pictures get from the source into a data set.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How pictures get from the source into a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transfer {
    /// Every file is copied.
    #[default]
    Copy,
    /// Every file gets a second name in the data set: no bytes are copied, and a change of the one
    /// is a change of the other.
    Hard,
    /// The data set is one file that says where each picture is.
    Manifest,
}

impl Transfer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Copy, Self::Hard, Self::Manifest];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Hard => "hard",
            Self::Manifest => "manifest",
        }
    }
}

impl FromStr for Transfer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|way| way.name() == text);
        found.ok_or_else(|| format!("it is one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}
