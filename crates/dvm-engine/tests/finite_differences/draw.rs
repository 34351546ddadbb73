//! Random numbers and tensors, seeded by a name.

use dvm_engine::{Tensor, seeded};

/// Random numbers and tensors, seeded by a name.
pub struct Draw {
    name: String,
    drawn: usize,
}

impl Draw {
    pub fn new(op: &str, round: usize) -> Self {
        Self {
            name: format!("finite differences of {op}, round {round}"),
            drawn: 0,
        }
    }

    fn stream(&mut self) -> String {
        self.drawn += 1;
        format!("{}, draw {}", self.name, self.drawn)
    }

    /// A whole number from `low` to `high`, inclusive.
    pub fn number(&mut self, low: usize, high: usize) -> usize {
        let unit = f64::from(seeded::unit(&self.stream(), 1)[0]);
        low + (unit * (high - low + 1) as f64) as usize
    }

    pub fn pair(&mut self, low: usize, high: usize) -> (usize, usize) {
        (self.number(low, high), self.number(low, high))
    }

    pub fn flag(&mut self) -> bool {
        self.number(0, 1) == 1
    }

    pub fn tensor(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor {
        let len = shape.iter().product();
        Tensor::from_nchw(shape, &seeded::uniform(&self.stream(), len, low, high))
    }

    /// Values that differ by at least 4 / their number, so that a maximum has a gradient.
    pub fn tensor_without_ties(&mut self, shape: &[usize]) -> Tensor {
        let len: usize = shape.iter().product();
        let drawn = seeded::unit(&self.stream(), len);
        let mut order: Vec<usize> = (0..len).collect();
        order.sort_by(|&a, &b| drawn[a].total_cmp(&drawn[b]));
        let mut values = vec![0.0; len];
        for (rank, place) in order.into_iter().enumerate() {
            values[place] = 4.0 * rank as f32 / len as f32 - 2.0;
        }
        Tensor::from_nchw(shape, &values)
    }

    pub fn feature_map(&mut self) -> [usize; 4] {
        [
            self.number(1, 2),
            self.number(1, 4),
            self.number(1, 6),
            self.number(1, 6),
        ]
    }
}
