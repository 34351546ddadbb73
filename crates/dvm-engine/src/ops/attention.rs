//! Attention.

use rayon::prelude::*;

use super::exponential::exp;
use super::matmul::{Matrix, matmul};
use super::strided::{gather, place};
use super::{Call, Gradients, Needs, Op, Outcome, Site, vectorised};
use crate::Tensor;
use crate::buffer::Buffer;

/// Scaled dot-product attention of several heads (arXiv 1706.03762): queries, keys and values side by
/// side, `[N, T, 3 · D]`, become `[N, T, D]`. Head `h` has the features `h · D / heads …` of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Number of heads; divides D.
    pub heads: usize,
}

/// The softmax of a row, in place.
#[inline(always)]
pub(super) fn soften(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut()
        .for_each(|value| *value = exp(*value - largest));
    let sum: f64 = row.iter().map(|&value| f64::from(value)).sum();
    let scale = (1.0 / sum) as f32;
    row.iter_mut().for_each(|value| *value *= scale);
}

/// The gradient of [`soften`]: `p · (g − Σ g · p)`, into `grad`.
#[inline(always)]
pub(super) fn soften_back(probabilities: &[f32], grad: &mut [f32]) {
    let products = probabilities.iter().zip(&*grad);
    let sum: f64 = products.map(|(&p, &g)| f64::from(p * g)).sum();
    for (g, &p) in grad.iter_mut().zip(probabilities) {
        *g = p * (*g - sum as f32);
    }
}

/// Queries, keys and values of one head, `[T, d]` each.
pub(super) struct Head {
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    pub tokens: usize,
    pub width: usize,
}

impl Head {
    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// Who looks at whom, `[T, T]`; `bias` is added before the softmax.
    pub fn probabilities(&self, bias: impl Fn(usize, &mut [f32])) -> Vec<f32> {
        let (t, d) = (self.tokens, self.width);
        let mut scores = vec![0.0; t * t];
        let keys = Matrix::rows(&self.k, d).transposed();
        matmul(
            (t, t, d),
            Matrix::rows(&self.q, d),
            keys,
            &mut scores,
            t,
            false,
        );
        let scale = self.scale();
        for (token, row) in scores.chunks_exact_mut(t).enumerate() {
            row.iter_mut().for_each(|score| *score *= scale);
            bias(token, row);
            vectorised(
                #[inline(always)]
                || soften(row),
            );
        }
        scores
    }

    /// The mean of the values that each token looks at, `[T, d]`.
    pub fn attended(&self, probabilities: &[f32]) -> Vec<f32> {
        let (t, d) = (self.tokens, self.width);
        let mut output = vec![0.0; t * d];
        let values = Matrix::rows(&self.v, d);
        matmul(
            (t, d, t),
            Matrix::rows(probabilities, t),
            values,
            &mut output,
            d,
            false,
        );
        output
    }

    /// The gradients of queries, keys and values, and of the scores before scaling and bias.
    pub fn gradients(&self, probabilities: &[f32], grad: &[f32]) -> (Head, Vec<f32>) {
        let (t, d) = (self.tokens, self.width);
        let grad = Matrix::rows(grad, d);
        let mut v = vec![0.0; t * d];
        let looks = Matrix::rows(probabilities, t);
        matmul((t, d, t), looks.transposed(), grad, &mut v, d, false);
        let mut scores = vec![0.0; t * t];
        let values = Matrix::rows(&self.v, d).transposed();
        matmul((t, t, d), grad, values, &mut scores, t, false);
        let rows = scores.chunks_exact_mut(t);
        for (grad, row) in rows.zip(probabilities.chunks_exact(t)) {
            vectorised(
                #[inline(always)]
                || soften_back(row, grad),
            );
        }
        let (mut q, mut k) = (vec![0.0; t * d], vec![0.0; t * d]);
        let own = Matrix::rows(&scores, t);
        matmul((t, d, t), own, Matrix::rows(&self.k, d), &mut q, d, false);
        let queries = Matrix::rows(&self.q, d);
        matmul((t, d, t), own.transposed(), queries, &mut k, d, false);
        let scale = self.scale();
        q.iter_mut().chain(&mut k).for_each(|value| *value *= scale);
        let (tokens, width) = (t, d);
        let head = Head {
            q,
            k,
            v,
            tokens,
            width,
        };
        (head, scores)
    }
}

impl Attention {
    /// Head `head` of picture `picture`.
    fn head(&self, qkv: &Tensor, picture: usize, head: usize) -> Head {
        let &[_, t, wide] = qkv.shape() else {
            unreachable!("output_shape checked the rank");
        };
        let width = wide / 3 / self.heads;
        let part = |which: usize| {
            let base = picture * t * wide + which * wide / 3 + head * width;
            let rows = gather(&[t, width], qkv.data(), base, &[wide, 1]);
            rows.data().to_vec()
        };
        Head {
            q: part(0),
            k: part(1),
            v: part(2),
            tokens: t,
            width,
        }
    }
}

impl Op for Attention {
    fn kind(&self) -> &'static str {
        "attention"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [[n, t, wide]]
                if self.heads > 0 && *wide > 0 && wide.is_multiple_of(3 * self.heads) && *t > 0 =>
            {
                Ok(vec![*n, *t, wide / 3])
            }
            _ => Err(format!(
                "takes queries, keys and values [N, T, 3 · D] of {} heads, not {inputs:?}",
                self.heads
            )),
        }
    }

    fn forward(&self, call: &Call) -> Outcome {
        let &[n, t, wide] = call.output_shape else {
            unreachable!("output_shape made it");
        };
        let width = wide / self.heads;
        let heads: Vec<Vec<f32>> = (0..n * self.heads)
            .into_par_iter()
            .map(|task| {
                let head = self.head(call.inputs[0], task / self.heads, task % self.heads);
                head.attended(&head.probabilities(|_, _| {}))
            })
            .collect();
        let mut output = Buffer::stale(n * t * wide);
        for (task, own) in heads.into_iter().enumerate() {
            let base = task / self.heads * t * wide + task % self.heads * width;
            let own = Tensor::from_stored(&[t, width], own);
            place(&own, &mut output, base, &[wide, 1]);
        }
        Tensor::from_buffer(call.output_shape, output).into()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, site: &Site, grad_output: Tensor) -> Result<Gradients, String> {
        let qkv = site.inputs[0];
        let &[n, t, wide] = qkv.shape() else {
            unreachable!("output_shape checked the rank");
        };
        let width = wide / 3 / self.heads;
        let heads: Vec<Head> = (0..n * self.heads)
            .into_par_iter()
            .map(|task| {
                let (picture, head) = (task / self.heads, task % self.heads);
                let own = self.head(qkv, picture, head);
                let base = picture * t * wide / 3 + head * width;
                let grad = gather(&[t, width], grad_output.data(), base, &[wide / 3, 1]);
                own.gradients(&own.probabilities(|_, _| {}), grad.data()).0
            })
            .collect();
        let mut gradient = Buffer::stale(qkv.len());
        for (task, own) in heads.into_iter().enumerate() {
            let base = task / self.heads * t * wide + task % self.heads * width;
            for (which, values) in [own.q, own.k, own.v].into_iter().enumerate() {
                let values = Tensor::from_stored(&[t, width], values);
                place(&values, &mut gradient, base + which * wide / 3, &[wide, 1]);
            }
        }
        Ok(Gradients::input(Tensor::from_buffer(qkv.shape(), gradient)))
    }
}
