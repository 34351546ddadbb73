//! How pictures are transferred from the source into a data set.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How pictures are transferred from the source into a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transfer {
    /// Every file is copied.
    #[default]
    Copy,
    /// Every file gets a hard link in the data set. Nothing is copied; a change of one changes the other.
    Hard,
    /// The data set is one file that lists the pictures.
    Manifest,
}

impl Transfer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Copy, Self::Hard, Self::Manifest];

    /// Its name.
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
        found.ok_or_else(|| format!("it must be one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}
