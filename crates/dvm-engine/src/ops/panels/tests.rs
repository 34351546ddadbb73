use super::*;
use crate::seeded;

/// Largest difference from the sum in f64 of 40 products, relative to the largest value. Measured: 4e-7. For
/// more products it may grow as a random walk does.
const TOLERANCE: f64 = 1e-6;

/// A product with one activation row per row of the result; everything else is random.
struct Case {
    rows: usize,
    columns: usize,
    runs: usize,
    run: usize,
    bias: bool,
    residual: bool,
    activation: Option<Activation>,
}

/// Values between two runs and between two rows of the result: they must not be read or written.
const GAP: usize = 3;

/// The index of the matrix among the three packed ones.
const MATRIX: usize = 1;

impl Case {
    fn draw(rows: usize, columns: usize) -> Self {
        let draw = seeded::unit(&format!("product of {rows} rows, {columns} columns"), 5);
        let number = |index: usize, count: usize| (draw[index] * count as f32) as usize;
        let runs = 1 + number(0, 4);
        Self {
            rows,
            columns,
            runs,
            run: 1 + number(1, 40 / runs),
            bias: number(2, 2) == 0,
            residual: number(3, 2) == 0,
            activation: [
                None,
                Some(Activation::Relu),
                Some(Activation::Relu6),
                Some(Activation::Silu),
            ][number(4, 4)],
        }
    }

    fn depth(&self) -> usize {
        self.runs * self.run
    }

    fn values(&self, name: &str, len: usize) -> Vec<f32> {
        seeded::uniform(&format!("{name} {len}"), len, -1.0, 1.0)
    }

    fn weight(&self, weights: &[f32], matrix: usize, k: usize, column: usize) -> f32 {
        weights[(matrix * self.depth() + k) * self.columns + column]
    }

    fn weights(&self) -> Vec<f32> {
        self.values("weights", 3 * self.depth() * self.columns)
    }

    fn pack(&self, set: InstructionSet) -> Panels {
        let weights = self.weights();
        Panels::pack(set, (3, self.depth(), self.columns), |k, first, rows| {
            let width = rows.len() / 3;
            for (at, value) in rows.iter_mut().enumerate() {
                *value = self.weight(&weights, at / width, k, first + at % width);
            }
        })
    }

    /// The activations' runs in reverse order with NaN between them, and the position of each.
    fn activations(&self) -> (Vec<f32>, Vec<usize>) {
        let count = self.rows * self.runs;
        let mut values = self.values("activations", count * (self.run + GAP));
        let starts: Vec<usize> = (0..count)
            .rev()
            .map(|i| i * (self.run + GAP) + GAP)
            .collect();
        for start in &starts {
            values[start - GAP..*start].fill(f32::NAN);
        }
        (values, starts)
    }

    fn expected(&self, bias: &[f32], residual: &[f32]) -> Vec<f64> {
        let (weights, (values, starts)) = (self.weights(), self.activations());
        let mut expected = Vec::new();
        for row in 0..self.rows {
            for column in 0..self.columns {
                let mut sum = 0.0;
                for k in 0..self.depth() {
                    let start = starts[row * self.runs + k / self.run];
                    let weight = f64::from(self.weight(&weights, MATRIX, k, column));
                    sum += f64::from(values[start + k % self.run]) * weight;
                }
                if self.bias {
                    sum += f64::from(bias[column]);
                }
                if self.residual {
                    sum += f64::from(residual[self.start(row) + column]);
                }
                expected.push(match self.activation {
                    Some(Activation::Relu) => sum.max(0.0),
                    Some(Activation::Relu6) => sum.clamp(0.0, 6.0),
                    Some(Activation::Silu) => sum / (1.0 + (-sum).exp()),
                    _ => sum,
                });
            }
        }
        expected
    }

    /// Where a row of the result starts: the last row comes first.
    fn start(&self, row: usize) -> usize {
        (self.rows - 1 - row) * (self.columns + GAP)
    }

    fn compute(&self, weights: &Panels, panels: Range<usize>, finish: Finish, output: &mut [f32]) {
        let (values, starts) = self.activations();
        let sources: Vec<*const f32> = starts.iter().map(|&at| values[at..].as_ptr()).collect();
        let output = output.as_mut_ptr();
        let targets: Vec<*mut f32> = (0..self.rows)
            .map(|row| output.wrapping_add(self.start(row)))
            .collect();
        let product = Product {
            weights,
            matrix: MATRIX,
            panels,
            sources: &sources,
            run: self.run,
            targets: &targets,
            finish,
        };
        // SAFETY: each source is the start of a run inside `values`; each target is the start of a
        // row inside `output`, which no other thread uses.
        unsafe { product.compute() };
    }
}

impl Case {
    /// Asserts that the product is correct and nothing else is written.
    fn check(&self, set: InstructionSet) {
        let (rows, columns) = (self.rows, self.columns);
        let weights = self.pack(set);
        let len = rows * (columns + GAP);
        let bias = self.values("bias", columns);
        let residual = self.values("residual", len);
        let mut output = vec![f32::INFINITY; len];
        let finish = Finish {
            bias: self.bias.then_some(&bias),
            residual: self.residual.then(|| Residual::new(&residual, &output)),
            activation: self.activation,
        };
        let cut = weights.count() / 2;
        self.compute(&weights, 0..cut, finish, &mut output);
        self.compute(&weights, cut..weights.count(), finish, &mut output);
        let expected = self.expected(&bias, &residual);
        let scale = expected.iter().fold(1.0f64, |most, e| most.max(e.abs()));
        let tolerance = scale * TOLERANCE * (self.depth() as f64 / 40.0).sqrt().max(1.0);
        for (row, expected) in expected.chunks_exact(columns).enumerate() {
            let (found, gap) = output[self.start(row)..][..columns + GAP].split_at(columns);
            let near = |(&f, &e): (&f32, &f64)| (f64::from(f) - e).abs() <= tolerance;
            assert!(
                found.iter().zip(expected).all(near),
                "{}: row {row} of {rows} × {columns}",
                set.name()
            );
            assert!(gap.iter().all(|&v| v == f32::INFINITY), "{}", set.name());
        }
    }
}

/// Every number of rows and columns, so that tiles of all heights and panels of one and two vectors, whole
/// and partial, are tested; each in two calls, for the first panels and for the others.
#[test]
fn a_product_of_any_size_is_the_finished_sum_and_touches_nothing_else() {
    for set in InstructionSet::available() {
        for rows in 1..=30 {
            for columns in 1..=70 {
                Case::draw(rows, columns).check(set);
            }
        }
    }
}

/// A depth that is processed in stretches: of several runs, and of parts of one.
#[test]
fn a_deep_product_is_the_finished_sum() {
    for set in InstructionSet::available() {
        for (runs, run) in [(1, 769), (1, 1700), (9, 160), (3, 513), (2, 1025)] {
            for (rows, columns) in [(1, 3), (14, 32), (17, 35), (29, 70)] {
                let case = Case {
                    runs,
                    run,
                    ..Case::draw(rows, columns)
                };
                case.check(set);
            }
        }
    }
}

#[test]
fn a_row_has_the_same_bits_beside_any_other_rows() {
    for set in InstructionSet::available() {
        for columns in [1, 16, 23, 32, 48, 70] {
            let all = Case {
                activation: None,
                ..Case::draw(30, columns)
            };
            let weights = all.pack(set);
            let mut expected = vec![0.0; 30 * (columns + GAP)];
            all.compute(
                &weights,
                0..weights.count(),
                Finish::default(),
                &mut expected,
            );
            for rows in 1..30 {
                let (values, starts) = all.activations();
                let sources: Vec<*const f32> = starts[..rows * all.runs]
                    .iter()
                    .map(|&at| values[at..].as_ptr())
                    .collect();
                let mut found = vec![0.0f32; rows * columns];
                let targets: Vec<*mut f32> = found
                    .chunks_exact_mut(columns)
                    .map(<[f32]>::as_mut_ptr)
                    .collect();
                let product = Product {
                    weights: &weights,
                    matrix: MATRIX,
                    panels: 0..weights.count(),
                    sources: &sources,
                    run: all.run,
                    targets: &targets,
                    finish: Finish::default(),
                };
                // SAFETY: as in `Case::compute`; each row of `found` is used once.
                unsafe { product.compute() };
                for (row, found) in found.chunks_exact(columns).enumerate() {
                    let expected = &expected[all.start(row)..][..columns];
                    assert!(found == expected, "{}: {rows} × {columns}", set.name());
                }
            }
        }
    }
}

#[test]
fn a_nan_survives_rectifiers_in_whole_and_partial_panels() {
    for set in InstructionSet::available() {
        for activation in [Activation::Relu, Activation::Relu6] {
            for (rows, columns) in [(1, 1), (6, 32), (14, 32), (5, 37), (14, 70)] {
                let weights = Panels::pack(set, (1, 2, columns), |_, _, row| row.fill(1.0));
                let row = [1.0, f32::NAN];
                let mut output = vec![0.0f32; rows * columns];
                let targets: Vec<*mut f32> = output
                    .chunks_exact_mut(columns)
                    .map(<[f32]>::as_mut_ptr)
                    .collect();
                let product = Product {
                    weights: &weights,
                    matrix: 0,
                    panels: 0..weights.count(),
                    sources: &vec![row.as_ptr(); rows],
                    run: 2,
                    targets: &targets,
                    finish: Finish {
                        activation: Some(activation),
                        ..Finish::default()
                    },
                };
                // SAFETY: as in `Case::compute`; all rows read the same two values.
                unsafe { product.compute() };
                assert!(
                    output.iter().all(|v| v.is_nan()),
                    "{}: {activation:?} of {rows} × {columns}",
                    set.name()
                );
            }
        }
    }
}
