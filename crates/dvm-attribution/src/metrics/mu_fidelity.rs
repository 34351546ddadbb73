//! µFidelity: does the score drop as much as the map says when random parts of the picture are covered?

use dvm_engine::incremental::Rectangle;
use dvm_options::Takes;

use super::agreement::{correlation, ranks};
use super::options::{BASELINE, LOGIT as SCORE, SEED};
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::probe::{Variants, replace, rows_of};
use crate::random::Stream;
use crate::registry::{Published, Reference};
use crate::{Baseline, Error, OptionReader, OptionSpec, Score, SettingError, Subject};

const GRID: OptionSpec = OptionSpec {
    name: "grid",
    takes: Takes::Text("N"),
    default: "9",
    help: "rows and columns of cells",
};

const SUBSET: OptionSpec = OptionSpec {
    name: "subset",
    takes: Takes::Text("P"),
    default: "0.2",
    help: "share of the cells that is covered at a time",
};

const SAMPLES: OptionSpec = OptionSpec {
    default: "200",
    help: "number of random sets of cells",
    ..crate::options::SAMPLES
};

/// The correlation of the drop of the score with the map's sum over the covered cells.
pub const MU_FIDELITY: MetricEntry = MetricEntry {
    name: "mu-fidelity",
    title: "µFidelity",
    summary: "random sets of cells are covered: correlation of the drop of the score with the sum of \
              the map over the covered cells, −1 to 1",
    reference: Reference {
        authors: "Bhatt, Weller, Moura",
        year: 2020,
        title: "Evaluating and Aggregating Feature-based Model Explanations",
        published: Published::Arxiv("2005.00631"),
    },
    question: Question::Faithfulness,
    better: Better::Higher,
    needs: Needs::Map,
    cost: "`samples` forward passes",
    options: &[GRID, SUBSET, SAMPLES, BASELINE, SEED, SCORE],
    build: |options| Ok(Box::new(MuFidelity::new(options)?)),
};

struct MuFidelity {
    grid: usize,
    subset: f64,
    samples: usize,
    baseline: Baseline,
    seed: u64,
    score: Score,
}

impl MuFidelity {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        let grid = options.count(&GRID)?;
        let samples = options.count(&SAMPLES)?;
        let subset = options.share(&SUBSET)?;
        if grid < 2 {
            return Err(GRID.refuse(grid, "it must be a whole number of at least 2"));
        }
        if samples < 2 {
            return Err(SAMPLES.refuse(samples, "a correlation needs at least 2"));
        }
        if !(0.0 < subset && subset < 1.0) {
            return Err(SUBSET.refuse(subset, "it must be greater than 0 and less than 1"));
        }
        Ok(Self {
            grid,
            subset,
            samples,
            baseline: options.written(&BASELINE)?,
            seed: options.plain(&SEED)?,
            score: options.word(&SCORE)?,
        })
    }

    /// Number of cells that are covered at a time: at least one, and not all.
    fn covered(&self) -> usize {
        let cells = self.grid * self.grid;
        let covered = (self.subset * cells as f64).round() as usize;
        covered.clamp(1, cells - 1)
    }

    fn check(&self, subject: &Subject) -> Result<(), Error> {
        let (height, width) = subject.size();
        if self.grid > height.min(width) {
            return Err(Error::Unfit(format!(
                "a `grid` of {0}×{0} cells does not fit on {height}×{width} pixels; choose a smaller `grid`",
                self.grid
            )));
        }
        let cells = self.covered();
        subject.allow_bytes(
            self.samples.saturating_mul(cells * size_of::<usize>()),
            || format!("{} sets of {cells} cells need", self.samples),
            "fewer `samples`, a smaller `grid`, or a higher memory limit",
        )
    }
}

impl Metric for MuFidelity {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let subject = candidate.subject();
        self.check(subject)?;
        let baseline = self.baseline.of_whole(subject, self.seed)?;
        let subsets = Subsets::new(self, subject.size(), baseline.data());
        let drops = candidate.drops(&subsets, self.score)?;
        let sums = subsets.sums(candidate.relevance());
        if is_constant(&drops) {
            let why = "covering parts of the picture does not change the score, so µFidelity cannot be measured";
            return Err(Error::Unfit(why.into()));
        }
        if is_constant(&sums) {
            let finding = "The map gives all parts of the picture the same relevance.";
            return Ok(Measurement::of(0.0)
                .with_figure("rank correlation", 0.0)
                .with_finding(Some(finding.into())));
        }
        let pearson = correlation(&drops, &sums);
        let spearman = correlation(&ranks(&drops), &ranks(&sums));
        let finding = (pearson <= 0.0).then(|| {
            "Covering the places that the map calls relevant does not lower the score more than \
             covering other places."
                .into()
        });
        Ok(Measurement::of(pearson)
            .with_figure("rank correlation", spearman)
            .with_finding(finding))
    }
}

/// Pictures with random cells covered.
struct Subsets<'a> {
    grid: usize,
    /// Rows and columns of the picture.
    size: (usize, usize),
    /// The baseline, as stored: `H, W, C`.
    baseline: &'a [f32],
    /// For each picture the cells that are covered, row by row.
    cells: Vec<Vec<usize>>,
    /// The part of each picture that is changed, if it is small enough to save work.
    rectangles: Option<Vec<Rectangle>>,
}

impl<'a> Subsets<'a> {
    /// Draws the cells: for each sample the first of a permutation, the stream `mu-fidelity <sample>`.
    fn new(metric: &MuFidelity, size: (usize, usize), baseline: &'a [f32]) -> Self {
        let (grid, covered) = (metric.grid, metric.covered());
        let draw = |sample: usize| {
            let mut stream = Stream::new(&format!("mu-fidelity {sample}"), metric.seed);
            let mut cells = stream.permutation(grid * grid);
            cells.truncate(covered);
            cells.shrink_to_fit();
            cells
        };
        let mut subsets = Self {
            grid,
            size,
            baseline,
            cells: (0..metric.samples).map(draw).collect(),
            rectangles: None,
        };
        let rectangles: Vec<Rectangle> = subsets.cells.iter().map(|c| subsets.around(c)).collect();
        let area = |rectangle: &Rectangle| {
            let (rows, columns) = rectangle.size();
            rows * columns
        };
        // Many cells are spread over the whole picture: computing whole pictures in batches is then faster.
        let changed: usize = rectangles.iter().map(area).sum();
        let is_local = changed < size.0 * size.1 * rectangles.len() / 2;
        subsets.rectangles = is_local.then_some(rectangles);
        subsets
    }

    /// The pixels of one cell: pixel `y` of `height` belongs to row `y · grid / height`.
    fn pixels(&self, cell: usize) -> Rectangle {
        let along = |index: usize, length: usize| {
            (index * length).div_ceil(self.grid)..((index + 1) * length).div_ceil(self.grid)
        };
        Rectangle {
            rows: along(cell / self.grid, self.size.0),
            columns: along(cell % self.grid, self.size.1),
        }
    }

    /// The smallest rectangle around these cells.
    fn around(&self, cells: &[usize]) -> Rectangle {
        let mut all = self.pixels(cells[0]);
        for &cell in &cells[1..] {
            let Rectangle { rows, columns } = self.pixels(cell);
            all.rows = all.rows.start.min(rows.start)..all.rows.end.max(rows.end);
            all.columns = all.columns.start.min(columns.start)..all.columns.end.max(columns.end);
        }
        all
    }

    /// The sum of a map `[H, W]` over the covered cells of each picture.
    fn sums(&self, map: &[f32]) -> Vec<f64> {
        let of_cell = |cell: usize| -> f64 {
            let Rectangle { rows, columns } = self.pixels(cell);
            let row = |y: usize| &map[y * self.size.1..][columns.clone()];
            rows.flat_map(row).map(|&value| f64::from(value)).sum()
        };
        let of_cells: Vec<f64> = (0..self.grid * self.grid).map(of_cell).collect();
        let sum = |cells: &Vec<usize>| cells.iter().map(|&cell| of_cells[cell]).sum();
        self.cells.iter().map(sum).collect()
    }
}

impl Variants for Subsets<'_> {
    fn count(&self) -> usize {
        self.cells.len()
    }

    fn rectangle(&self, index: usize) -> Option<Rectangle> {
        self.rectangles.as_ref().map(|all| all[index].clone())
    }

    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>> {
        let width = self.size.1;
        let channels = picture.len() / (self.size.0 * width);
        let mut values = picture.to_vec();
        for &cell in &self.cells[index] {
            let rows = rows_of(&self.pixels(cell), width, channels);
            replace(&mut values, self.baseline, rows);
        }
        (values != picture).then_some(values)
    }
}

fn is_constant(values: &[f64]) -> bool {
    values.iter().all(|&value| value == values[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn metric(options: &[(&str, &str)]) -> MuFidelity {
        let settings = options
            .iter()
            .fold(Settings::new(), |s, (k, v)| s.with(k, v));
        MuFidelity::new(&mut OptionReader::new(MU_FIDELITY.options, &settings)).unwrap()
    }

    #[test]
    fn every_pixel_belongs_to_one_cell() {
        let metric = metric(&[("samples", "2")]);
        let baseline = vec![0.0; 13 * 17 * 3];
        let subsets = Subsets::new(&metric, (13, 17), &baseline);
        let mut cells = vec![0; 13 * 17];
        for cell in 0..81 {
            let Rectangle { rows, columns } = subsets.pixels(cell);
            for (y, x) in rows.flat_map(|y| columns.clone().map(move |x| (y, x))) {
                cells[y * 17 + x] += 1;
                assert_eq!(cell, y * 9 / 13 * 9 + x * 9 / 17);
            }
        }
        assert!(cells.iter().all(|&count| count == 1));
    }

    #[test]
    fn the_number_of_covered_cells_is_fixed_and_few_cells_are_a_local_change() {
        let many = metric(&[]);
        let baseline = vec![0.0; 18 * 18];
        let subsets = Subsets::new(&many, (18, 18), &baseline);
        assert!(subsets.cells.iter().all(|cells| cells.len() == 16));
        assert!(subsets.rectangles.is_none());
        let one = metric(&[("subset", "0.001")]);
        let subsets = Subsets::new(&one, (18, 18), &baseline);
        assert!(subsets.cells.iter().all(|cells| cells.len() == 1));
        assert_eq!(
            subsets.rectangle(0),
            Some(subsets.pixels(subsets.cells[0][0]))
        );
    }

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, -2.0]), [3.5, 2.0, 3.5, 1.0]);
        // By hand: differences from the means are (−1, 0, 1) and (−7, −10, 17) / 3.
        let found = correlation(&[1.0, 2.0, 3.0], &[1.0, 0.0, 9.0]);
        assert!(
            (found - 8.0 / (2.0f64 * 146.0 / 3.0).sqrt()).abs() < 1e-12,
            "{found}"
        );
    }
}
