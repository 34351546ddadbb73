//! Gradient accumulation.

use std::collections::BTreeMap;

use dvm_engine::{Gradients, Tensor};

/// The mean of the gradients of several batches. A step with it equals a step with one large batch,
/// if all batches have the same size and the network has no batch normalisation.
#[derive(Default)]
pub struct Accumulation {
    sums: BTreeMap<usize, Tensor>,
    batches: usize,
}

impl Accumulation {
    /// No batches yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Batches added since the last [`Accumulation::take`].
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// Adds the gradients of the parameters with these indices. It takes them over, so a single
    /// batch needs no copy.
    pub fn add(&mut self, gradients: Gradients, parameters: impl Iterator<Item = usize>) {
        let found = parameters.filter_map(|i| Some((i, gradients.parameter(i)?.clone())));
        self.add_tensors(found);
    }

    fn add_tensors(&mut self, gradients: impl Iterator<Item = (usize, Tensor)>) {
        self.batches += 1;
        for (index, gradient) in gradients {
            match self.sums.get_mut(&index) {
                None => {
                    self.sums.insert(index, gradient);
                }
                Some(sum) => {
                    for (sum, gradient) in sum.data_mut().iter_mut().zip(gradient.data()) {
                        *sum += gradient;
                    }
                }
            }
        }
    }

    /// Returns the mean over the added batches, by index of the parameter, and starts again.
    pub fn take(&mut self) -> BTreeMap<usize, Tensor> {
        let mut sums = std::mem::take(&mut self.sums);
        if self.batches > 1 {
            crate::clip::scale(&mut sums, 1.0 / self.batches as f32);
        }
        self.batches = 0;
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradients(values: &[(usize, f32)]) -> impl Iterator<Item = (usize, Tensor)> {
        values.iter().map(|&(i, v)| (i, Tensor::full(&[2], v)))
    }

    #[test]
    fn the_mean_counts_batches_that_had_no_gradient_for_a_parameter() {
        let mut all = Accumulation::new();
        all.add_tensors(gradients(&[(0, 1.0), (7, 8.0)]));
        all.add_tensors(gradients(&[(0, 2.0)]));
        all.add_tensors(gradients(&[(0, 3.0)]));
        all.add_tensors(gradients(&[(0, 6.0)]));
        assert_eq!(all.batches(), 4);
        let mean = all.take();
        assert_eq!(mean[&0].data(), [3.0; 2]);
        assert_eq!(mean[&7].data(), [2.0; 2]);
    }

    #[test]
    fn taking_the_mean_starts_again() {
        let mut all = Accumulation::new();
        all.add_tensors(gradients(&[(0, 1.0)]));
        all.take();
        assert_eq!(all.batches(), 0);
        all.add_tensors(gradients(&[(0, 5.0)]));
        assert_eq!(all.take()[&0].data(), [5.0; 2]);
    }
}
