//! Softmax over the classes.

use super::{Call, Gradients, Needs, Op, Outcome, Site};
use crate::Tensor;

/// `exp(x) / Σ exp(x)` over the classes of logits `[N, K]`.
#[derive(Clone, Copy, Debug)]
pub struct Softmax;

/// The probabilities of one row of logits: the largest is subtracted first, so nothing overflows,
/// and the sum is taken in f64.
pub fn probabilities(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = logits
        .iter()
        .map(|&l| f64::from(l - largest).exp())
        .collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|e| (e / sum) as f32).collect()
}

impl Op for Softmax {
    fn kind(&self) -> &'static str {
        "softmax"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [[n, k]] if *k > 0 => Ok(vec![*n, *k]),
            _ => Err(format!("takes logits [N, K], not {inputs:?}")),
        }
    }

    fn forward(&self, call: &Call) -> Outcome {
        let classes = call.output_shape[1];
        let output = call.inputs[0]
            .data()
            .chunks_exact(classes)
            .flat_map(probabilities)
            .collect();
        Tensor::from_stored(call.output_shape, output).into()
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }

    fn backward(&self, site: &Site, grad_output: Tensor) -> Result<Gradients, String> {
        let classes = grad_output.shape()[1];
        let mut gradient = Vec::with_capacity(grad_output.len());
        for (p, g) in site
            .output
            .data()
            .chunks_exact(classes)
            .zip(grad_output.data().chunks_exact(classes))
        {
            let mean: f64 = p
                .iter()
                .zip(g)
                .map(|(&p, &g)| f64::from(p) * f64::from(g))
                .sum();
            gradient.extend(
                p.iter()
                    .zip(g)
                    .map(|(&p, &g)| (f64::from(p) * (f64::from(g) - mean)) as f32),
            );
        }
        Ok(Gradients::input(Tensor::from_stored(
            grad_output.shape(),
            gradient,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_logits_do_not_overflow() {
        assert_eq!(probabilities(&[1000.0, 1000.0]), [0.5, 0.5]);
    }
}
