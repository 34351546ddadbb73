//! Occlusion: covers the picture window by window and measures the change of the score.

mod cells;
mod windows;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use dvm_image::{Grid, HeatMap};
use dvm_options::{Takes, words};

use self::cells::Overlap;
pub(super) use self::windows::BLUR;
use self::windows::Windows;
use crate::gradient::deconvnet::DECONVNET;
use crate::options::PROBABILITY as SCORE;
use crate::probe::Variants;
use crate::registry::{Family, MethodEntry};
use crate::{
    Array, Attribution, Baseline, Cells, Error, Method, Observation, OptionReader, OptionSpec,
    Preset, Score, SettingError, Subject, Target, ValueKind, Walks,
};

const WINDOW: OptionSpec = OptionSpec {
    name: "window",
    takes: Takes::Text("N|HxW"),
    default: "20",
    help: "rows and columns of a window, in pixels",
};

const STRIDE: OptionSpec = OptionSpec {
    name: "stride",
    takes: Takes::Text("N|HxW"),
    default: "10",
    help: "distance from one window to the next, in pixels",
};

const FILL: OptionSpec = OptionSpec {
    name: "fill",
    takes: Takes::Text("mean|black|white|grey|zero|blur|noise|#RRGGBB|FILE"),
    default: "mean",
    help: "what covers the window: mean (the picture's mean colour), black, white, grey (127.5), \
           zero (after normalisation), blur (the picture blurred), noise, a colour, a picture \
           file, or (with space `input`) a .npy file of normalised values (float32 [C, H, W])",
};

const NOISE_SEED: OptionSpec = OptionSpec {
    name: "noise-seed",
    takes: Takes::Text("N"),
    default: "0",
    help: "seed of the fill `noise`",
};

const VALUE: OptionSpec = OptionSpec {
    name: "value",
    takes: Takes::Text(Value::FORM),
    default: "drop",
    help: "drop (score of the whole picture minus that of the covered one: positive where the \
           picture supports the class) or raw (score of the covered picture)",
};

const OVERLAP: OptionSpec = OptionSpec {
    name: "overlap",
    takes: Takes::Text(Overlap::FORM),
    default: "cell",
    help: "value of a pixel under several windows: cell (that of the window with the nearest \
           centre), average (their mean), or sum",
};

const SPACE: OptionSpec = OptionSpec {
    name: "space",
    takes: Takes::Text(Space::FORM),
    default: "input",
    help: "where windows are placed: input (the crop that the network gets) or image (the original \
           picture before it is resized)",
};

/// The drop of the score when a window of the picture is covered.
pub const OCCLUSION: MethodEntry = MethodEntry {
    name: "occlusion",
    title: "occlusion",
    summary: "drop of the class's score when a window of the picture is covered, for windows all over the picture",
    reference: DECONVNET.reference,
    family: Family::Perturbation,
    cost: "one partial forward pass per window",
    networks: "all",
    options: &[
        WINDOW, STRIDE, FILL, NOISE_SEED, SCORE, VALUE, OVERLAP, SPACE,
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
    build: |options| Ok(Box::new(Occlusion::new(options)?)),
};

words! {
    /// The value of a cell of the map.
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
struct Sides(usize, usize);

impl FromStr for Sides {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rows, columns) = text.split_once(['x', '×']).unwrap_or((text, text));
        match (rows.trim().parse(), columns.trim().parse()) {
            (Ok(rows), Ok(columns)) if rows > 0 && columns > 0 => Ok(Self(rows, columns)),
            _ => Err(
                "it must be one number of pixels greater than 0, or two as ROWSxCOLUMNS, such as 20 or 20x30",
            ),
        }
    }
}

impl fmt::Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{}×{}", self.0, self.1)
        }
    }
}

impl From<Sides> for serde_json::Value {
    fn from(Sides(rows, columns): Sides) -> Self {
        vec![rows, columns].into()
    }
}

/// The method with its settings.
struct Occlusion {
    window: Sides,
    stride: Sides,
    fill: Baseline,
    noise_seed: u64,
    score: Score,
    value: Value,
    overlap: Overlap,
    space: Space,
}

impl Occlusion {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        let occlusion = Self {
            window: options.plain(&WINDOW)?,
            stride: options.plain(&STRIDE)?,
            fill: options.written(&FILL)?,
            noise_seed: options.plain(&NOISE_SEED)?,
            score: options.word(&SCORE)?,
            value: options.word(&VALUE)?,
            overlap: options.word(&OVERLAP)?,
            space: options.word(&SPACE)?,
        };
        if occlusion.leaves_gaps() && occlusion.overlap != Overlap::Cell {
            return Err(STRIDE.refuse(
                occlusion.stride,
                format!(
                    "pixels between windows of {} would never be covered, so the option `overlap` \
                     with `{}` has no value for them; choose a smaller `stride`",
                    occlusion.window,
                    occlusion.overlap.word()
                ),
            ));
        }
        Ok(occlusion)
    }

    /// What a value of the map is, from the name of its score.
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
    fn grid(&self, subject: &Subject) -> Result<Grid, Error> {
        let picture = match self.space {
            Space::Input => subject.input().crop(),
            Space::Image => subject.input().original(),
        };
        let (height, width) = (picture.height(), picture.width());
        if self.window.0 > height || self.window.1 > width {
            return Err(Error::Unfit(format!(
                "the window of {} is larger than the picture of {height}×{width}; choose a smaller `window`",
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

    /// The positions of the map's pixels on the picture that windows are laid on.
    fn points(&self, subject: &Subject) -> (Vec<f64>, Vec<f64>) {
        let crop = subject.input().crop();
        let (ys, xs) = Grid::pixels(crop.height(), crop.width()).pixel_centres();
        match self.space {
            Space::Input => (ys, xs),
            Space::Image => {
                let placement = subject.input().placement();
                let y = |&y: &f64| placement.original_from_crop((y, 0.0)).0;
                let x = |&x: &f64| placement.original_from_crop((0.0, x)).1;
                (ys.iter().map(y).collect(), xs.iter().map(x).collect())
            }
        }
    }
}

impl Method for Occlusion {
    fn shares_walks(&self) -> bool {
        true
    }

    fn walks(&self) -> Walks {
        Walks::CHANGES
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let grid = self.grid(subject)?;
        let output = subject.output();
        let numbers = subject.numbers()?;
        let whole = self.score.of(output, &numbers);
        Target::check_all(targets, whole.len())?;
        let windows = match self.space {
            Space::Input => Windows::over_input(subject, grid, &self.fill, self.noise_seed)?,
            Space::Image => Windows::over_image(subject, grid, &self.fill, self.noise_seed)?,
        };
        let count = windows.count();
        subject.allow_scores(count, whole.len())?;
        // One run over the windows gives all classes.
        let mut covered = vec![0.0; count * whole.len()];
        subject.outputs_of(&windows, &mut |window, numbers| {
            let of_classes = self.score.of(output, numbers);
            for (class, score) in of_classes.into_iter().enumerate() {
                covered[class * count + window] = score;
            }
        })?;
        let points = self.points(subject);
        let (rows, columns) = grid.nearest_cells(&points.0, &points.1);
        let scores = Scores {
            method: self,
            grid,
            points,
            size: subject.size(),
            raw: Array {
                is_of_all_classes: true,
                cells: Some(Arc::new(Cells { rows, columns })),
                ..Array::new(
                    Array::RAW,
                    &[whole.len(), grid.rows(), grid.columns()],
                    covered,
                )
            },
            whole,
            score: self.score.name(output, numbers.len()),
        };
        Ok(Box::new(move |target| scores.attribution(target)))
    }
}

/// The scores of all classes for all windows of one picture.
struct Scores<'a> {
    method: &'a Occlusion,
    grid: Grid,
    /// The scores of the whole picture, one per class.
    whole: Vec<f32>,
    /// The name of the score.
    score: &'static str,
    /// `[K, rows, columns]`
    raw: Array,
    /// The positions of the map's rows and columns on the picture that windows are laid on.
    points: (Vec<f64>, Vec<f64>),
    /// Rows and columns of the map.
    size: (usize, usize),
}

impl Scores<'_> {
    fn attribution(&self, target: &Target) -> Result<Attribution, Error> {
        let method = self.method;
        let whole = target.of(&self.whole)?;
        let count = self.grid.rows() * self.grid.columns();
        let scores: Vec<f32> = match target {
            Target::Class(class) => self.raw.values[class * count..][..count].to_vec(),
            _ => {
                let of_classes = |window| -> Vec<f32> {
                    let all = self.raw.values.iter().skip(window).step_by(count);
                    all.copied().collect()
                };
                let windows = 0..count;
                windows
                    .map(|window| target.of(&of_classes(window)))
                    .collect::<Result<_, _>>()?
            }
        };
        let (values, uncovered) = match method.value {
            Value::Drop => (scores.iter().map(|&s| whole - s).collect(), 0.0),
            Value::Raw => (scores, whole),
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
                "windows of {} are {} apart: the pixels between them were never covered; choose a \
                 smaller `stride` to cover all",
                method.window, method.stride
            ));
        }
        let attribution = Attribution {
            title: format!("occlusion {}/{}", method.window, method.stride),
            quantity: method.quantity(self.score),
            score: self.score,
            smooth,
            arrays: vec![self.raw.clone()],
            value_kind: match method.value {
                Value::Drop => ValueKind::Signed,
                Value::Raw => ValueKind::ScoreIfHidden,
            },
            warnings,
            ..Attribution::new(target, self.size, map)
        };
        Ok(attribution.checked())
    }
}
