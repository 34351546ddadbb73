use super::*;
use crate::seeded;

/// Largest difference from the sum in f64, relative to the largest value. Measured: 6e-7.
const TOLERANCE: f64 = 2e-6;

/// Inputs of a layer: fewer than a vector, whole vectors and a remainder, up to three stretches.
const INPUTS: [usize; 8] = [1, 7, 16, 33, 100, 1024, 4097, 9000];

struct Layer {
    rows: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    size: (usize, usize, usize),
}

impl Layer {
    fn seeded((n, o, i): (usize, usize, usize)) -> Self {
        let values =
            |name: &str, len: usize| seeded::uniform(&format!("{name} {i}"), len, -1.0, 1.0);
        Self {
            rows: values("rows", n * i),
            weights: values("weights", o * i),
            bias: values("bias", o),
            size: (n, o, i),
        }
    }

    /// The output for the rows from `first` on.
    fn output(&self, set: InstructionSet, first: usize, count: usize) -> Vec<f32> {
        let (_, o, i) = self.size;
        let mut output = vec![f32::NAN; count * o];
        let dots = Dots {
            rows: &self.rows[first * i..][..count * i],
            weights: &self.weights,
            bias: (o % 5 != 0).then_some(&self.bias),
            size: (count, o, i),
        };
        dots.compute(set, &mut output);
        output
    }

    fn expected(&self) -> Vec<f64> {
        let (_, o, i) = self.size;
        let mut expected = Vec::new();
        for row in self.rows.chunks_exact(i) {
            for (output, weights) in self.weights.chunks_exact(i).enumerate() {
                let products = row.iter().zip(weights);
                let sum: f64 = products.map(|(&r, &w)| f64::from(r) * f64::from(w)).sum();
                let bias = if o % 5 != 0 { self.bias[output] } else { 0.0 };
                expected.push(sum + f64::from(bias));
            }
        }
        expected
    }
}

#[test]
fn every_output_is_the_sum_of_products() {
    for n in 1..=7 {
        for o in 1..=40 {
            let layer = Layer::seeded((n, o, INPUTS[(n + o) % INPUTS.len()]));
            let expected = layer.expected();
            let scale = expected.iter().fold(1.0f64, |most, e| most.max(e.abs()));
            for set in InstructionSet::available() {
                let found = layer.output(set, 0, n);
                let near = |(&f, &e): (&f32, &f64)| (f64::from(f) - e).abs() <= TOLERANCE * scale;
                assert!(
                    found.iter().zip(&expected).all(near),
                    "{}: {:?}",
                    set.name(),
                    layer.size
                );
            }
        }
    }
}

#[test]
fn a_row_alone_is_bit_identical_to_the_same_row_in_a_batch() {
    for (o, i) in [(10, 33), (17, 512), (40, 9000)] {
        let layer = Layer::seeded((7, o, i));
        for set in InstructionSet::available() {
            let batch = layer.output(set, 0, 7);
            for (row, expected) in batch.chunks_exact(o).enumerate() {
                assert!(layer.output(set, row, 1) == expected, "{}", set.name());
            }
        }
    }
}

#[test]
fn one_and_two_threads_give_identical_bits() {
    let layer = Layer::seeded((7, 40, 9000));
    let [one, two] = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| layer.output(InstructionSet::in_use(), 0, 7))
    });
    assert!(one == two);
}

#[test]
fn packed_weights_give_the_sum_of_products_for_many_rows() {
    // Deep products are summed in stretches; rows of 512 and of 1024 values would be crowded.
    let sizes = [
        (1, 1, 1),
        (5, 7, 16),
        (113, 33, 33),
        (300, 70, 100),
        (29, 40, 1024),
        (13, 33, 512),
        (31, 97, 1700),
    ];
    for (n, o, i) in sizes {
        let layer = Layer::seeded((n, o, i));
        let expected = layer.expected();
        let scale = expected.iter().fold(1.0f64, |most, e| most.max(e.abs()));
        let weight = Tensor::from_stored(&[o, i], layer.weights.clone());
        let finish = Finish {
            bias: (o % 5 != 0).then_some(&layer.bias[..]),
            ..Finish::default()
        };
        for set in InstructionSet::available() {
            let packed = Packed::new(set);
            let mut found = vec![f32::NAN; n * o];
            packed::product(&layer.rows, packed.forward(&weight), finish, &mut found);
            let near = |(&f, &e): (&f32, &f64)| (f64::from(f) - e).abs() <= TOLERANCE * scale;
            assert!(found.iter().zip(&expected).all(near), "{}", set.name());
            let mut alone = vec![f32::NAN; o];
            let row = &layer.rows[(n - 1) * i..];
            packed::product(row, packed.forward(&weight), finish, &mut alone);
            assert!(alone == found[(n - 1) * o..], "{}: other bits", set.name());
        }
    }
}

#[test]
fn packed_weights_give_the_gradient_of_the_rows() {
    let (n, o, i) = (60, 21, 37);
    let layer = Layer::seeded((n, o, i));
    let weight = Tensor::from_stored(&[o, i], layer.weights.clone());
    let grad = seeded::uniform("gradient of the output", n * o, -1.0, 1.0);
    for set in InstructionSet::available() {
        let mut found = vec![f32::NAN; n * i];
        packed::product(
            &grad,
            Packed::new(set).backward(&weight),
            Finish::default(),
            &mut found,
        );
        for (row, found) in found.chunks_exact(i).enumerate() {
            for (column, &found) in found.iter().enumerate() {
                let product = |k: usize| {
                    f64::from(grad[row * o + k]) * f64::from(layer.weights[k * i + column])
                };
                let sum: f64 = (0..o).map(product).sum();
                assert!((f64::from(found) - sum).abs() < 1e-5, "{}", set.name());
            }
        }
    }
}
