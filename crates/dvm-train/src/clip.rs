//! Gradient clipping.

use std::collections::BTreeMap;

use dvm_engine::Tensor;
use rayon::prelude::*;

/// Scales all gradients by one factor so that their total L2 norm is at most `largest`, as
/// PyTorch's `clip_grad_norm_` (arXiv 1211.5063). Returns the norm before. `largest` must be
/// greater than 0. If a gradient is not finite, the norm is not finite and the gradients do not
/// change. The norm is summed in the order of the keys, such as parameter indices.
pub fn clip_gradient_norm<K: Ord + Sync>(gradients: &mut BTreeMap<K, Tensor>, largest: f64) -> f64 {
    let norm = gradient_norm(gradients);
    let factor = largest / (norm + 1e-6);
    if norm.is_finite() && factor < 1.0 {
        scale(gradients, factor as f32);
    }
    norm
}

/// The total L2 norm of all gradients, in f64. It does not depend on the number of threads.
pub fn gradient_norm<K: Ord>(gradients: &BTreeMap<K, Tensor>) -> f64 {
    gradients.values().map(sum_of_squares).sum::<f64>().sqrt()
}

/// Values that one thread sums at a time. It fixes the order of summation.
const PART: usize = 1 << 14;

fn sum_of_squares(gradient: &Tensor) -> f64 {
    let parts: Vec<f64> = gradient
        .data()
        .par_chunks(PART)
        .map(|part| part.iter().map(|&g| f64::from(g) * f64::from(g)).sum())
        .collect();
    parts.into_iter().sum()
}

/// Multiplies every gradient by `factor`.
pub(crate) fn scale<K: Ord>(gradients: &mut BTreeMap<K, Tensor>, factor: f32) {
    for gradient in gradients.values_mut() {
        gradient
            .data_mut()
            .par_chunks_mut(PART)
            .for_each(|part| part.iter_mut().for_each(|g| *g *= factor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradients(values: &[&[f32]]) -> BTreeMap<usize, Tensor> {
        let tensor = |v: &&[f32]| Tensor::from_stored(&[v.len()], v.to_vec());
        values.iter().map(tensor).enumerate().collect()
    }

    #[test]
    fn the_norm_is_of_all_gradients_together() {
        let mut all = gradients(&[&[3.0], &[0.0, 4.0]]);
        assert_eq!(clip_gradient_norm(&mut all, 1.0), 5.0);
        // PyTorch divides by the norm + 1e-6.
        let factor = (1.0f64 / 5.000_001) as f32;
        assert_eq!(all[&0].data(), [3.0 * factor]);
        assert_eq!(all[&1].data(), [0.0, 4.0 * factor]);
    }

    #[test]
    fn small_gradients_do_not_change() {
        let mut all = gradients(&[&[3.0], &[0.0, 4.0]]);
        assert_eq!(clip_gradient_norm(&mut all, 5.1), 5.0);
        assert_eq!(all, gradients(&[&[3.0], &[0.0, 4.0]]));
    }

    #[test]
    fn a_norm_that_is_not_finite_is_returned_and_changes_nothing() {
        let mut all = gradients(&[&[1.0, f32::NAN]]);
        assert!(clip_gradient_norm(&mut all, 0.1).is_nan());
        assert_eq!(all[&0].data()[0], 1.0);
        let mut all = gradients(&[&[1.0, f32::INFINITY]]);
        assert_eq!(clip_gradient_norm(&mut all, 0.1), f64::INFINITY);
        assert_eq!(all[&0].data()[0], 1.0);
    }

    #[test]
    fn gradients_whose_squares_leave_f32_have_a_norm() {
        let all = gradients(&[&[3e30], &[4e30]]);
        assert!((gradient_norm(&all) / 5e30 - 1.0).abs() < 1e-6);
    }
}
