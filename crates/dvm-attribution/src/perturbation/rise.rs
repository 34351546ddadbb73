//! RISE: the mean score of the picture under random smooth masks, weighted at each pixel by the masks.

use dvm_options::{Takes, words};
use rayon::prelude::*;

use super::coalitions::{of_target, standard_error};
use crate::options::{BASELINE, PROBABILITY as SCORE, SEED};
use crate::probe::Variants;
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{
    Array, Attribution, Baseline, Error, Method, Observation, OptionReader, OptionSpec, Score,
    SettingError, Subject, Target, ValueKind,
};

const MASKS: OptionSpec = OptionSpec {
    name: "masks",
    takes: Takes::Text("N"),
    default: "4000",
    help: "number of masks",
};

const CELLS: OptionSpec = OptionSpec {
    name: "cells",
    takes: Takes::Text("N"),
    default: "7",
    help: "rows and columns of the coarse grid of a mask, which is enlarged by bilinear \
           interpolation and shifted at random by less than a cell",
};

const SHOWN: OptionSpec = OptionSpec {
    name: "shown",
    takes: Takes::Text("P"),
    default: "0.5",
    help: "probability that a cell of the grid is shown",
};

const ESTIMATE: OptionSpec = OptionSpec {
    name: "estimate",
    takes: Takes::Text(Estimate::FORM),
    default: "shown",
    help: "value of a pixel: shown (the mean score where it is shown, as in the authors' code: the sum \
           of scores times masks, divided by the number of masks and the probability) or contrast \
           (that minus the mean score where it is covered, which is 0 for an irrelevant pixel)",
};

/// The mean score under random masks that show a pixel.
pub const RISE: MethodEntry = MethodEntry {
    name: "rise",
    title: "RISE",
    summary: "mean score of the class under random smooth masks, for each pixel over the masks that show it",
    reference: Reference {
        authors: "Petsiuk, Das, Saenko",
        year: 2018,
        title: "RISE: Randomized Input Sampling for Explanation of Black-box Models",
        published: Published::Arxiv("1806.07421"),
    },
    family: Family::Perturbation,
    cost: "one forward pass per mask; 4,000 by default",
    networks: "all",
    options: &[MASKS, CELLS, SHOWN, ESTIMATE, BASELINE, SEED, SCORE],
    presets: &[],
    build: |options| Ok(Box::new(Rise::new(options)?)),
};

words! {
    /// The value of a pixel.
    enum Estimate {
        /// The mean score where it is shown.
        Shown = "shown",
        /// That minus the mean score where it is covered.
        Contrast = "contrast",
    }
}

struct Rise {
    samples: usize,
    cells: usize,
    shown: f64,
    estimate: Estimate,
    baseline: Baseline,
    seed: u64,
    score: Score,
}

impl Rise {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        let shown = options.plain(&SHOWN)?;
        if !(0.0 < shown && shown < 1.0) {
            return Err(SHOWN.refuse(shown, "it must be greater than 0 and less than 1"));
        }
        Ok(Self {
            samples: options.count(&MASKS)?,
            cells: options.count(&CELLS)?,
            shown,
            estimate: options.word(&ESTIMATE)?,
            baseline: options.written(&BASELINE)?,
            seed: options.plain(&SEED)?,
            score: options.word(&SCORE)?,
        })
    }

    /// Refuses masks that do not fit the picture or memory.
    fn check(&self, subject: &Subject) -> Result<(), Error> {
        let (height, width) = subject.size();
        if self.cells > height.min(width) {
            return Err(Error::Unfit(format!(
                "a mask of {0}×{0} `cells` does not fit on {height}×{width} pixels; choose fewer `cells`",
                self.cells
            )));
        }
        subject.allow_bytes(
            self.samples.saturating_mul(self.cells * self.cells),
            || format!("{} masks of {1}×{1} cells need", self.samples, self.cells),
            "fewer `masks` or `cells`, or a higher memory limit",
        )
    }
}

impl Method for Rise {
    fn shares_walks(&self) -> bool {
        true
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let outputs = subject.numbers()?.len();
        self.check(subject)?;
        let masks = Masks::drawn(self, subject.size());
        let baseline = self.baseline.of_whole(subject, self.seed)?;
        let masked = Masked {
            masks: &masks,
            baseline: baseline.data(),
        };
        let scores = subject.scores(&masked, targets, self.score)?;
        Ok(Box::new(move |target| {
            let scores = of_target(&scores, targets, target);
            let sums = masks.sums(&scores);
            let number = scores.len() as f64;
            let mean = |sum: &Sums| sum.shown / number / self.shown;
            let error = |sum: &Sums| {
                let mean = sum.shown / number;
                let variance = (sum.squares / number - mean * mean).max(0.0);
                (variance / (number - 1.0)).sqrt() / self.shown
            };
            let means: Vec<f64> = sums.iter().map(mean).collect();
            let all: f64 = scores.iter().sum();
            let contrast = |sum: &Sums| {
                let covered = number - sum.weight;
                // A pixel that was never covered, or never shown, has no contrast.
                match sum.weight > 0.0 && covered > 0.0 {
                    true => (sum.shown / sum.weight - (all - sum.shown) / covered) as f32,
                    false => 0.0,
                }
            };
            let name = self.score.name(subject.output(), outputs);
            let (map, quantity, value_kind) = match self.estimate {
                Estimate::Shown => (
                    means.iter().map(|&mean| mean as f32).collect::<Vec<f32>>(),
                    format!("mean {name} where shown"),
                    ValueKind::ScoreIfShown,
                ),
                Estimate::Contrast => (
                    sums.iter().map(contrast).collect(),
                    format!("mean {name} where shown − where covered"),
                    ValueKind::Signed,
                ),
            };
            let errors: Vec<f64> = sums.iter().map(error).collect();
            let check = (scores.len() > 1).then(|| standard_error(&errors, &means, false));
            let (height, width) = subject.size();
            Ok(Attribution {
                title: format!("RISE, {} masks", self.samples),
                quantity,
                score: name,
                arrays: vec![Array::new(Array::RAW, &[height, width], map.clone())],
                value_kind,
                checks: check.into_iter().collect(),
                ..Attribution::new(target, (height, width), map)
            }
            .checked())
        }))
    }
}

/// All masks of one map.
struct Masks {
    /// Rows and columns of a mask.
    size: (usize, usize),
    /// Rows and columns of its grid.
    cells: usize,
    /// The grid of each mask, row-major.
    grids: Vec<bool>,
    /// The first row and column of each mask on its enlarged grid.
    shifts: Vec<(usize, usize)>,
    /// The positions of the rows and columns of the enlarged grid on the grid.
    places: (Vec<Place>, Vec<Place>),
}

/// A position between two cells of a grid: both, and the fraction from the first to the second, 0 … 1.
type Place = (usize, usize, f64);

impl Masks {
    /// Draws the masks: for each first its cells, then its shift down and to the right.
    fn drawn(rise: &Rise, size: (usize, usize)) -> Self {
        let cells = rise.cells;
        let cell = (size.0.div_ceil(cells), size.1.div_ceil(cells));
        let mut grids = Vec::with_capacity(rise.samples * cells * cells);
        let mut shifts = Vec::with_capacity(rise.samples);
        for sample in 0..rise.samples {
            let mut stream = Stream::new(&format!("rise {sample}"), rise.seed);
            let drawn = stream.uniform(cells * cells).into_iter();
            grids.extend(drawn.map(|u| f64::from(u) < rise.shown));
            shifts.push((stream.below(cell.0), stream.below(cell.1)));
        }
        Self {
            size,
            cells,
            grids,
            shifts,
            places: (places(cells, cell.0), places(cells, cell.1)),
        }
    }

    fn count(&self) -> usize {
        self.shifts.len()
    }

    /// Row `y` of a mask: how much of each of its pixels is shown, 0 … 1.
    fn row(&self, mask: usize, y: usize, row: &mut [f64]) {
        let (top, left) = self.shifts[mask];
        let grid = &self.grids[mask * self.cells * self.cells..][..self.cells * self.cells];
        let (first, second, share) = self.places.0[top + y];
        let value = |cell: usize| f64::from(u8::from(grid[cell]));
        let cells: Vec<f64> = (0..self.cells)
            .map(|column| {
                let above = value(first * self.cells + column);
                let below = value(second * self.cells + column);
                above + share * (below - above)
            })
            .collect();
        for (value, &(first, second, share)) in row.iter_mut().zip(&self.places.1[left..]) {
            let (before, after) = (cells[first], cells[second]);
            *value = before + share * (after - before);
        }
    }

    /// Sums over all masks at each pixel: of the masks, of masks times scores, and of the squares of these.
    fn sums(&self, scores: &[f64]) -> Vec<Sums> {
        let (height, width) = self.size;
        let of_row = |y: usize| {
            let mut sums = vec![Sums::default(); width];
            let mut row = vec![0.0; width];
            for (mask, &score) in scores.iter().enumerate() {
                self.row(mask, y, &mut row);
                for (sum, &shown) in sums.iter_mut().zip(&row) {
                    sum.weight += shown;
                    sum.shown += shown * score;
                    sum.squares += (shown * score) * (shown * score);
                }
            }
            sums
        };
        let rows: Vec<Vec<Sums>> = (0..height).into_par_iter().map(of_row).collect();
        rows.concat()
    }
}

/// Sums over masks at one pixel.
#[derive(Clone, Copy, Default)]
struct Sums {
    weight: f64,
    shown: f64,
    squares: f64,
}

/// The positions on a grid of `cells` of the pixels of the enlarged grid, which is one cell larger, with `length`
/// pixels per cell. Outside of the centres of the outermost cells the grid is mirrored, as in the authors' code.
fn places(cells: usize, length: usize) -> Vec<Place> {
    let enlarged = (cells + 1) * length;
    let place = |pixel: usize| {
        let at = (pixel as f64 + 0.5) * cells as f64 / enlarged as f64 - 0.5;
        let last = (cells - 1) as f64;
        let mirrored = at.abs().min(2.0 * last - at.abs());
        // A single cell is mirrored onto itself.
        let within = mirrored.clamp(0.0, last);
        let first = within as usize;
        (first, (first + 1).min(cells - 1), within - first as f64)
    };
    (0..enlarged).map(place).collect()
}

/// The picture under each mask.
struct Masked<'a> {
    masks: &'a Masks,
    /// The baseline, normalised, as stored: `H, W, C`.
    baseline: &'a [f32],
}

impl Variants for Masked<'_> {
    fn count(&self) -> usize {
        self.masks.count()
    }

    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>> {
        let (height, width) = self.masks.size;
        let channels = picture.len() / (height * width);
        let mut row = vec![0.0; width];
        let mut values = Vec::with_capacity(picture.len());
        for y in 0..height {
            self.masks.row(index, y, &mut row);
            let at = y * width * channels;
            let both = picture[at..].iter().zip(&self.baseline[at..]);
            let shown = row
                .iter()
                .flat_map(|&shown| std::iter::repeat_n(shown, channels));
            values.extend(both.zip(shown).map(|((&value, &cover), shown)| {
                let cover = f64::from(cover);
                (cover + shown * (f64::from(value) - cover)) as f32
            }));
        }
        Some(values)
    }
}
