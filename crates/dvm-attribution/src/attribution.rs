//! What a method returns: a map, what it was made of, and what its reader must know.

use std::sync::Arc;

use crate::Target;

/// What a map's numbers mean, and so how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// From 0, nothing, upwards.
    Magnitude,
    /// Above 0 for the target, below 0 against it.
    Signed,
    /// A score that is neither: low means that covering this place hurt the target.
    Level,
    /// A score that is neither: high means that showing this place helps the target.
    Support,
}

/// The map of one target.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// What the map is about.
    pub target: Target,
    /// The name above the map, with the settings that matter most: `occlusion 20/10`.
    pub title: String,
    /// What is measured, for the colour bar: `drop in probability`.
    pub quantity: String,
    /// Which score of the target the map is about: `probability`, `logit` or `log-probability`.
    pub score: &'static str,
    /// One value per pixel of the network's input, `[H, W]`, row-major, never rescaled.
    pub map: Vec<f32>,
    /// Rows and columns of `map`.
    pub size: (usize, usize),
    /// The same for the eye, where the map is coarse: smooth between the cells, `[H, W]`.
    pub smooth: Option<Vec<f32>>,
    /// What was computed before it was reduced to one map; the first is named [`Array::RAW`].
    pub arrays: Vec<Array>,
    /// What the numbers mean.
    pub nature: Nature,
    /// What a reader of the map must know.
    pub warnings: Vec<String>,
    /// How well the method did, by its own measure.
    pub checks: Vec<Check>,
}

/// A named array as it was computed, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its name, and of its file.
    pub name: &'static str,
    /// `[C, H, W]` for gradients, channels in the network's order (`Preprocess::channels`);
    /// `[classes, rows, columns]` for occlusion.
    pub shape: Vec<usize>,
    /// The values; maps of several targets may share them.
    pub values: Arc<Vec<f32>>,
    /// Whether it holds what was computed for all classes, and so is the same for each.
    pub is_of_all_classes: bool,
    /// Of an array whose last two axes are cells of the picture: which cell each pixel of the map shows.
    pub cells: Option<Arc<Cells>>,
}

/// Which cell of an array `[…, rows, columns]` each pixel of a map `[H, W]` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    /// For each of the map's H rows, the row of cells.
    pub rows: Vec<usize>,
    /// For each of the map's W columns, the column of cells.
    pub columns: Vec<usize>,
}

impl Array {
    /// The name of what the map was reduced from.
    pub const RAW: &'static str = "raw";

    /// The name of an array `[H, W]` that numbers the segments of the picture, from 0.
    pub const SEGMENTS: &'static str = "segments";

    /// An array of one target.
    pub fn new(name: &'static str, shape: &[usize], values: Vec<f32>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
        Self {
            name,
            shape: shape.to_vec(),
            values: Arc::new(values),
            is_of_all_classes: false,
            cells: None,
        }
    }
}

/// How well a method did, by its own measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is measured, such as `completeness gap`.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it means, in one sentence that says which values are good.
    pub meaning: String,
}

impl Attribution {
    /// The array of this name.
    pub fn array(&self, name: &str) -> Option<&Array> {
        self.arrays.iter().find(|array| array.name == name)
    }

    /// What the map was reduced from.
    ///
    /// # Panics
    /// If the method gave none: a mistake in its file.
    pub fn raw(&self) -> &Array {
        self.array(Array::RAW).expect("every method gives one")
    }

    /// The same with a warning if the map says nothing.
    #[must_use]
    pub(crate) fn checked(mut self) -> Self {
        let is_score = matches!(self.nature, Nature::Level | Nature::Support);
        if !is_score && self.map.iter().all(|&v| v == 0.0) {
            self.warnings.push(
                "the map is zero everywhere: by this method nothing in the picture moves this class"
                    .into(),
            );
        }
        self
    }
}
