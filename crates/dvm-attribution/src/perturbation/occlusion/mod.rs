//! Occlusion: cover the picture window by window and see what the network loses.

mod asking;
mod cells;
mod fill;
mod sweep;
mod windows;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use dvm_image::{Grid, HeatMap};
use serde_json::{Map, Value as Json};

use self::cells::Overlap;
use self::fill::Fill;
use self::sweep::Score;
use self::windows::Windows;
use crate::registry::{Entry, Preset, Reference};
use crate::settings::words;
use crate::{
    Attribution, Error, Method, Nature, Observation, OptionSpec, Raw, Scene, SettingError, Settings,
};

/// What the network loses when a window of the picture is covered.
pub const OCCLUSION: Entry = Entry {
    name: "occlusion",
    title: "occlusion",
    summary: "what the class loses when a window of the picture is covered, for windows all over it",
    reference: Reference {
        authors: "Zeiler, Fergus",
        year: 2013,
        title: "Visualizing and Understanding Convolutional Networks",
        arxiv: "1311.2901",
    },
    options: &[
        OptionSpec {
            name: "window",
            value: "N|HxW",
            default: "20",
            help: "rows and columns that are covered at a time, in pixels",
        },
        OptionSpec {
            name: "stride",
            value: "N|HxW",
            default: "10",
            help: "rows and columns from one window to the next, in pixels",
        },
        OptionSpec {
            name: "fill",
            value: "mean|black|grey|zero|blur|noise|#RRGGBB",
            default: "mean",
            help: "what covers: the picture's mean colour, black, grey (127.5), zero after \
                   normalisation, the picture blurred, noise, or a colour",
        },
        OptionSpec {
            name: "noise-seed",
            value: "N",
            default: "0",
            help: "seed of the fill `noise`",
        },
        OptionSpec {
            name: "score",
            value: "probability|logit",
            default: "probability",
            help: "which answer of the network is compared",
        },
        OptionSpec {
            name: "value",
            value: "drop|raw",
            default: "drop",
            help: "score of the whole picture minus the covered one (positive: the place supports \
                   the class), or the covered score as it is",
        },
        OptionSpec {
            name: "overlap",
            value: "cell|average|sum",
            default: "cell",
            help: "what a pixel under several windows shows: the window whose centre is nearest, \
                   their mean, or their sum",
        },
        OptionSpec {
            name: "space",
            value: "input|image",
            default: "input",
            help: "where windows are laid: on the crop that the network sees, or on the original \
                   picture before it is resized",
        },
    ],
    presets: &[
        Preset {
            name: "seed",
            summary: "the Deep Vision Mask experiments: probability under a black square on the original picture",
            options: &[
                ("window", "20"),
                ("stride", "10"),
                ("fill", "black"),
                ("score", "probability"),
                ("value", "raw"),
                ("overlap", "cell"),
                ("space", "image"),
            ],
        },
        Preset {
            name: "captum",
            summary: "Captum's Occlusion: drop of the logit, zero after normalisation, mean over the windows, stride 1",
            options: &[
                ("stride", "1"),
                ("fill", "zero"),
                ("score", "logit"),
                ("value", "drop"),
                ("overlap", "average"),
                ("space", "input"),
            ],
        },
    ],
    build: |settings| Ok(Box::new(Occlusion::new(settings)?)),
};

words! {
    /// What a cell of the map says.
    enum Value {
        /// Score of the whole picture minus that of the covered one.
        Drop = "drop",
        /// Score of the covered picture.
        Raw = "raw",
    }
}

words! {
    /// Where windows are laid.
    enum Space {
        /// On the crop that the network sees.
        Input = "input",
        /// On the original picture.
        Image = "image",
    }
}

/// Rows and columns, written `N` or `HxW`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent(usize, usize);

impl FromStr for Extent {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rows, columns) = text.split_once(['x', '×']).unwrap_or((text, text));
        match (rows.trim().parse(), columns.trim().parse()) {
            (Ok(rows), Ok(columns)) if rows > 0 && columns > 0 => Ok(Self(rows, columns)),
            _ => {
                Err("it is a number of pixels above 0, or two as ROWSxCOLUMNS, such as 20 or 20x30")
            }
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{}×{}", self.0, self.1)
        }
    }
}

/// The method with its settings.
struct Occlusion {
    window: Extent,
    stride: Extent,
    fill: Fill,
    noise_seed: u64,
    score: Score,
    value: Value,
    overlap: Overlap,
    space: Space,
}

impl Occlusion {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        let occlusion = Self {
            window: settings.get("window", Extent(20, 20))?,
            stride: settings.get("stride", Extent(10, 10))?,
            fill: settings.get("fill", Fill::Mean)?,
            noise_seed: settings.get("noise-seed", 0)?,
            score: settings.get("score", Score::Probability)?,
            value: settings.get("value", Value::Drop)?,
            overlap: settings.get("overlap", Overlap::Cell)?,
            space: settings.get("space", Space::Input)?,
        };
        if occlusion.leaves_gaps() && occlusion.overlap != Overlap::Cell {
            return Err(SettingError::new(
                "stride",
                occlusion.stride,
                format!(
                    "pixels between windows of {} would never be covered, so --overlap {} has no value for them",
                    occlusion.window,
                    occlusion.overlap.word()
                ),
            ));
        }
        Ok(occlusion)
    }

    /// What a value of the map is, given what its scores are called.
    fn quantity(&self, score: &str) -> String {
        let of = match self.value {
            Value::Drop => "drop in ",
            Value::Raw => "",
        };
        let under = match (self.overlap, self.value) {
            (Overlap::Average, _) => ", mean over windows",
            (Overlap::Sum, _) => ", sum over windows",
            (Overlap::Cell, Value::Raw) => " with the window covered",
            (Overlap::Cell, Value::Drop) => "",
        };
        format!("{of}{score}{under}")
    }

    fn leaves_gaps(&self) -> bool {
        self.stride.0 > self.window.0 || self.stride.1 > self.window.1
    }

    /// The windows on this picture.
    fn grid(&self, scene: &Scene) -> Result<Grid, Error> {
        let (height, width) = match self.space {
            Space::Input => (scene.input.crop().height(), scene.input.crop().width()),
            Space::Image => (
                scene.input.original().height(),
                scene.input.original().width(),
            ),
        };
        if self.window.0 > height || self.window.1 > width {
            return Err(Error::Unfit(format!(
                "the window of {} is larger than the picture of {height}×{width} that it is laid on; \
                 choose a smaller --window",
                self.window
            )));
        }
        Ok(Grid {
            height,
            width,
            window: (self.window.0, self.window.1),
            stride: (self.stride.0, self.stride.1),
        })
    }

    /// Where the pixels of the map lie on the picture that windows are laid on.
    fn points(&self, scene: &Scene) -> (Vec<f64>, Vec<f64>) {
        let crop = scene.input.crop();
        let (ys, xs) = Grid::pixels(crop.height(), crop.width()).pixel_centres();
        match self.space {
            Space::Input => (ys, xs),
            Space::Image => {
                let placement = scene.input.placement();
                let y = |&y: &f64| placement.original_from_crop((y, 0.0)).0;
                let x = |&x: &f64| placement.original_from_crop((0.0, x)).1;
                (ys.iter().map(y).collect(), xs.iter().map(x).collect())
            }
        }
    }
}

impl Method for Occlusion {
    fn observe<'a>(&'a self, scene: &'a Scene<'a>) -> Result<Box<dyn Observation + 'a>, Error> {
        let grid = self.grid(scene)?;
        let output = scene.network.output();
        let outputs = scene.outputs()?;
        let whole = self.score.of(output, &outputs);
        let windows = match self.space {
            Space::Input => Windows::over_input(scene, grid, self.fill, self.noise_seed),
            Space::Image => Windows::over_image(scene, grid, self.fill, self.noise_seed),
        };
        let covered = sweep::scores(scene, &windows, self.score, &whole)?;
        Ok(Box::new(Scores {
            method: self,
            grid,
            points: self.points(scene),
            size: (scene.input.crop().height(), scene.input.crop().width()),
            raw: Raw {
                shape: vec![whole.len(), grid.rows(), grid.columns()],
                values: Arc::new(covered),
                is_of_all_classes: true,
            },
            whole,
            score: self.score.name(output, outputs.len()),
        }))
    }

    fn parameters(&self) -> Map<String, Json> {
        let extent = |e: Extent| Json::from(vec![e.0, e.1]);
        [
            ("window", extent(self.window)),
            ("stride", extent(self.stride)),
            ("fill", self.fill.to_string().into()),
            ("noise-seed", self.noise_seed.into()),
            ("score", self.score.word().into()),
            ("value", self.value.word().into()),
            ("overlap", self.overlap.word().into()),
            ("space", self.space.word().into()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

/// The scores of all classes under all windows of one picture.
struct Scores<'a> {
    method: &'a Occlusion,
    grid: Grid,
    /// The scores of the whole picture, one per class.
    whole: Vec<f32>,
    /// What they are called.
    score: &'static str,
    /// `[K, rows, columns]`
    raw: Raw,
    /// Where the rows and columns of the map lie on the picture under the windows.
    points: (Vec<f64>, Vec<f64>),
    /// Rows and columns of the map.
    size: (usize, usize),
}

impl Observation for Scores<'_> {
    fn attribution(&self, target: usize) -> Result<Attribution, Error> {
        let method = self.method;
        let whole = *self.whole.get(target).ok_or(Error::Class {
            class: target,
            classes: self.whole.len(),
        })?;
        let count = self.grid.rows() * self.grid.columns();
        let scores = &self.raw.values[target * count..(target + 1) * count];
        let (values, uncovered) = match method.value {
            Value::Drop => (scores.iter().map(|&s| whole - s).collect(), 0.0),
            Value::Raw => (scores.to_vec(), whole),
        };
        let cells = HeatMap::new(self.grid, values);
        let (ys, xs) = &self.points;
        let (map, smooth) = match method.overlap.combined(&cells, (ys, xs), uncovered) {
            Some(map) => (map, None),
            None => (cells.nearest_at(ys, xs), Some(cells.smooth_at(ys, xs))),
        };
        let mut warnings = Vec::new();
        if method.leaves_gaps() {
            warnings.push(format!(
                "windows of {} lie {} apart: the pixels between them were never covered",
                method.window, method.stride
            ));
        }
        let attribution = Attribution {
            target,
            title: format!("occlusion {}/{}", method.window, method.stride),
            quantity: method.quantity(self.score),
            score: self.score,
            map,
            size: self.size,
            smooth,
            raw: self.raw.clone(),
            nature: match method.value {
                Value::Drop => Nature::Signed,
                Value::Raw => Nature::Level,
            },
            warnings,
        };
        Ok(attribution.checked())
    }
}
