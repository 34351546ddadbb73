//! Random numbers that follow from a name and a seed. They do not depend on the number of threads,
//! and `references/seeded.py` gives the same numbers.

use std::f64::consts::TAU;

use dvm_engine::seeded;

/// An endless stream of numbers. Streams with different names or seeds are independent.
#[derive(Clone, Debug)]
pub struct Stream {
    name: String,
    next: u64,
}

impl Stream {
    /// The stream `"<name> <seed>"` of [`dvm_engine::seeded::unit`].
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            name: format!("{name} {seed}"),
            next: 0,
        }
    }

    /// Numbers in [0, 1), each a multiple of 2⁻²⁴.
    pub fn uniform(&mut self, len: usize) -> Vec<f32> {
        let numbers = seeded::unit_from(&self.name, self.next, len);
        self.next += len as u64;
        numbers
    }

    /// Numbers from a normal distribution with mean 0 and standard deviation 1 (Box and Muller
    /// 1958): `√(−2 ln(1 − u)) · cos(2π v)` for each pair `(u, v)` of uniform numbers.
    pub fn normal(&mut self, len: usize) -> Vec<f32> {
        let uniform = self.uniform(2 * len);
        let normal = |pair: &[f32]| {
            let (u, v) = (f64::from(pair[0]), f64::from(pair[1]));
            ((-2.0 * (-u).ln_1p()).sqrt() * (TAU * v).cos()) as f32
        };
        uniform.chunks_exact(2).map(normal).collect()
    }

    /// A whole number in `0 .. bound`; all are equally probable within 2⁻²⁴.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "the bound must be greater than 0");
        let unit = f64::from(self.uniform(1)[0]);
        ((unit * bound as f64) as usize).min(bound - 1)
    }

    /// The numbers `0 .. count` in a random order (Fisher and Yates): position `i`, from the last
    /// down to 1, is exchanged with `below(i + 1)`.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let other = self.below(last + 1);
            order.swap(last, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gives_the_same_numbers_in_one_call_or_several() {
        let mut stream = Stream::new("masks", 3);
        let parts = [stream.uniform(3), stream.uniform(4)].concat();
        assert_eq!(parts, seeded::unit("masks 3", 7));
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let numbers = Stream::new("noise", 0).normal(100_000);
        let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / 1e5;
        let square = numbers.iter().map(|&x| f64::from(x * x)).sum::<f64>() / 1e5;
        // Three standard errors: 1 / √n, √(2 / n).
        assert!(mean.abs() < 0.0095, "{mean}");
        assert!((square - 1.0).abs() < 0.0134, "{square}");
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut order = Stream::new("order", 1).permutation(50);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
