//! The result of a method: a map, the arrays it was reduced from, and warnings.

use std::sync::Arc;

use crate::Target;

/// What the values of a map mean; this decides how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// 0 or greater; 0 means no relevance.
    Positive,
    /// Greater than 0 for the target, less than 0 against it.
    Signed,
    /// The score when this place is hidden: low values mean that the place matters.
    ScoreIfHidden,
    /// The score when this place is shown: high values mean that the place matters.
    ScoreIfShown,
}

/// The map of one target.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// What the map explains.
    pub target: Target,
    /// The title of the map, with its main settings: `occlusion 20/10`.
    pub title: String,
    /// What the values are, for the colour bar: `drop in probability`.
    pub quantity: String,
    /// Which score of the target is explained: `probability`, `logit` or `log-probability`.
    pub score: &'static str,
    /// One value per pixel of the network's input, `[H, W]`, row-major, not rescaled.
    pub map: Vec<f32>,
    /// Rows and columns of `map`.
    pub size: (usize, usize),
    /// For coarse maps: the same, interpolated between the cells, `[H, W]`.
    pub smooth: Option<Vec<f32>>,
    /// The arrays that the map was reduced from; the first is named [`Array::RAW`].
    pub arrays: Vec<Array>,
    /// What the values mean.
    pub value_kind: ValueKind,
    /// What was assumed, and other things that a reader of the map must know.
    pub warnings: Vec<String>,
    /// How well the method did, by its own measures.
    pub checks: Vec<Check>,
}

/// A named array, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its name, also of its file.
    pub name: &'static str,
    /// `[C, H, W]` for gradients, channels in the network's order (`Preprocess::channels`);
    /// `[classes, rows, columns]` for occlusion.
    pub shape: Vec<usize>,
    /// The values; maps of several targets may share them.
    pub values: Arc<Vec<f32>>,
    /// Whether it holds values of all classes, and so is the same for each.
    pub is_of_all_classes: bool,
    /// If the last two axes are cells of the picture: which cell each pixel of the map shows.
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
    /// The name of the array that the map was reduced from.
    pub const RAW: &'static str = "raw";

    /// The name of an array `[H, W]` with the number of the segment of each pixel, from 0.
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
    /// What it means, and which values are good, in one sentence.
    pub meaning: String,
}

impl Attribution {
    /// A map `[H, W]` of a target, positive, without names and arrays.
    pub fn new(target: &Target, size: (usize, usize), map: Vec<f32>) -> Self {
        Self {
            target: target.clone(),
            title: String::new(),
            quantity: String::new(),
            score: "none",
            map,
            size,
            smooth: None,
            arrays: Vec::new(),
            value_kind: ValueKind::Positive,
            warnings: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// The array with this name.
    pub fn array(&self, name: &str) -> Option<&Array> {
        self.arrays.iter().find(|array| array.name == name)
    }

    /// The array that the map was reduced from.
    ///
    /// # Panics
    /// If the method returned none, which is a bug.
    pub fn raw(&self) -> &Array {
        self.array(Array::RAW).expect("every method gives one")
    }

    /// Adds a warning if the map is zero everywhere.
    #[must_use]
    pub(crate) fn checked(mut self) -> Self {
        let is_score = matches!(
            self.value_kind,
            ValueKind::ScoreIfHidden | ValueKind::ScoreIfShown
        );
        if !is_score && self.map.iter().all(|&v| v == 0.0) {
            self.warnings.push(
                "the map is zero everywhere: by this method, no pixel has an influence on this class"
                    .into(),
            );
        }
        self
    }
}
