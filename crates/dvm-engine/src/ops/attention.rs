//! Attention.

use std::ops::Range;

use rayon::prelude::*;

use super::exponential::exp;
use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::matmul::{Matrix, matmul};
use super::simd::Shared;
use super::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::vectorised;

/// Scaled dot-product attention with several heads (arXiv 1706.03762): queries, keys and values,
/// concatenated as `[N, T, 3 · D]`, become `[N, T, D]`. Head `h` has the features `h · D / heads …` of
/// each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Number of heads; divides D.
    pub heads: usize,
}

/// Queries that are processed at a time, so that a long sequence needs no table of all pairs.
pub(super) const QUERIES: usize = 64;

/// Number of partial sums, which the compiler keeps in vectors.
const LANES: usize = 16;

/// The softmax of a row, in place.
#[inline(always)]
pub(super) fn soften(row: &mut [f32]) {
    let mut largest = [f32::NEG_INFINITY; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder().iter().copied();
    let rest = rest.fold(f32::NEG_INFINITY, f32::max);
    for chunk in chunks {
        for (largest, &value) in largest.iter_mut().zip(chunk) {
            *largest = if value > *largest { value } else { *largest };
        }
    }
    let largest = largest.into_iter().fold(rest, f32::max);
    row.iter_mut()
        .for_each(|value| *value = exp(*value - largest));
    let mut sums = [0.0f64; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|&v| f64::from(v)).sum();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value);
        }
    }
    let scale = (1.0 / (sums.into_iter().sum::<f64>() + rest)) as f32;
    row.iter_mut().for_each(|value| *value *= scale);
}

/// The gradient of [`soften`]: `p · (g − Σ g · p)`, into `grad`.
#[inline(always)]
pub(super) fn soften_back(probabilities: &[f32], grad: &mut [f32]) {
    let mut sums = [0.0f64; LANES];
    let pairs = probabilities
        .chunks_exact(LANES)
        .zip(grad.chunks_exact(LANES));
    let whole = probabilities.len() / LANES * LANES;
    for (p, g) in pairs {
        for (sum, (&p, &g)) in sums.iter_mut().zip(p.iter().zip(g)) {
            *sum += f64::from(p * g);
        }
    }
    let rest = probabilities[whole..].iter().zip(&grad[whole..]);
    let rest: f64 = rest.map(|(&p, &g)| f64::from(p * g)).sum();
    let sum = (sums.into_iter().sum::<f64>() + rest) as f32;
    for (g, &p) in grad.iter_mut().zip(probabilities) {
        *g = p * (*g - sum);
    }
}

/// Queries, keys and values of one head, `[T, d]` each, without a copy.
pub(super) struct Head<'a> {
    pub q: Matrix<'a>,
    pub k: Matrix<'a>,
    pub v: Matrix<'a>,
    pub tokens: usize,
    pub width: usize,
}

/// The gradients of a head's queries, keys and values, `[T, d]` each.
pub(super) struct HeadGradients {
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
}

impl<'a> Head<'a> {
    /// From rows of `pitch` values, in which queries, keys and values start `apart` values from each other.
    pub fn new(rows: &'a [f32], pitch: usize, apart: usize, tokens: usize, width: usize) -> Self {
        let part = |which: usize| Matrix {
            values: &rows[which * apart..],
            row_stride: pitch,
            column_stride: 1,
        };
        Self {
            q: part(0),
            k: part(1),
            v: part(2),
            tokens,
            width,
        }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// Blocks of queries, in order.
    pub fn blocks(tokens: usize) -> impl Iterator<Item = Range<usize>> {
        let starts = (0..tokens).step_by(QUERIES);
        starts.map(move |first| first..(first + QUERIES).min(tokens))
    }

    /// The attention probabilities of these queries, `[queries, T]`; `change` changes the scores of each
    /// query before the softmax.
    pub fn probabilities(
        &self,
        queries: &Range<usize>,
        change: impl Fn(usize, &mut [f32]),
    ) -> Vec<f32> {
        let (t, d) = (self.tokens, self.width);
        let mut scores = vec![0.0; queries.len() * t];
        let (q, keys) = (self.q.starting_at(queries.start), self.k.transposed());
        matmul((queries.len(), t, d), q, keys, &mut scores, t, false);
        let scale = self.scale();
        vectorised(
            #[inline(always)]
            || {
                for (query, row) in queries.clone().zip(scores.chunks_exact_mut(t)) {
                    row.iter_mut().for_each(|score| *score *= scale);
                    change(query, row);
                    soften(row);
                }
            },
        );
        scores
    }

    /// The weighted mean of the values for each query, `[queries, d]`.
    pub fn attended(&self, probabilities: &[f32]) -> Vec<f32> {
        let (t, d) = (self.tokens, self.width);
        let rows = probabilities.len() / t;
        let mut output = vec![0.0; rows * d];
        let looks = Matrix::rows(probabilities, t);
        matmul((rows, d, t), looks, self.v, &mut output, d, false);
        output
    }

    /// The gradients, given that of the output, `[T, d]`. `scores` is called for each block of queries with
    /// the first query and the gradient of the changed scores.
    pub fn gradients(
        &self,
        grad: Matrix,
        change: impl Fn(usize, &mut [f32]),
        mut scores: impl FnMut(usize, &[f32]),
    ) -> HeadGradients {
        let (t, d) = (self.tokens, self.width);
        let mut found = HeadGradients {
            q: vec![0.0; t * d],
            k: vec![0.0; t * d],
            v: vec![0.0; t * d],
        };
        for queries in Self::blocks(t) {
            let (first, rows) = (queries.start, queries.len());
            let probabilities = self.probabilities(&queries, &change);
            let (grad, more) = (grad.starting_at(first), first > 0);
            let looks = Matrix::rows(&probabilities, t).transposed();
            matmul((t, d, rows), looks, grad, &mut found.v, d, more);
            let mut slopes = vec![0.0; rows * t];
            matmul(
                (rows, t, d),
                grad,
                self.v.transposed(),
                &mut slopes,
                t,
                false,
            );
            vectorised(
                #[inline(always)]
                || {
                    let rows = slopes.chunks_exact_mut(t);
                    for (grad, row) in rows.zip(probabilities.chunks_exact(t)) {
                        soften_back(row, grad);
                    }
                },
            );
            scores(first, &slopes);
            let own = Matrix::rows(&slopes, t);
            let q = &mut found.q[first * d..];
            matmul((rows, d, t), own, self.k, q, d, false);
            let q = self.q.starting_at(first);
            matmul((t, d, rows), own.transposed(), q, &mut found.k, d, more);
        }
        let scale = self.scale();
        let scaled = found.q.iter_mut().chain(&mut found.k);
        scaled.for_each(|value| *value *= scale);
        found
    }
}

impl Attention {
    /// The attention probabilities, `[N · heads, T, T]`, queries along the rows, recomputed from the queries,
    /// keys and values `[N, T, 3 · D]` that the op reads. Every row has the sum 1.
    ///
    /// # Panics
    /// If the op does not accept values of this shape.
    pub fn probabilities(&self, qkv: &Tensor) -> Tensor {
        self.of_heads(qkv, |head, _, table| {
            for queries in Head::blocks(head.tokens) {
                let rows = head.probabilities(&queries, |_, _| {});
                table[queries.start * head.tokens..][..rows.len()].copy_from_slice(&rows);
            }
        })
    }

    /// The gradient with respect to [`Attention::probabilities`], `[N · heads, T, T]`, given that of the op's
    /// value, `[N, T, D]`. The probabilities of a query count as independent.
    ///
    /// # Panics
    /// If the op does not accept values of this shape, or `grad_output` does not have the shape of its value.
    pub fn probability_gradients(&self, qkv: &Tensor, grad_output: &Tensor) -> Tensor {
        let &[n, t, features] = grad_output.shape() else {
            panic!("attention makes [N, T, D], not {:?}", grad_output.shape());
        };
        assert_eq!(qkv.shape(), [n, t, 3 * features]);
        let width = features / self.heads;
        self.of_heads(qkv, |head, (picture, index), table| {
            let grad = &grad_output.data()[picture * t * features + index * width..];
            let grad = Matrix::rows(grad, features);
            matmul((t, t, width), grad, head.v.transposed(), table, t, false);
        })
    }

    /// One table `[T, T]` for every head of every input; `fill` also gets the indices of both.
    fn of_heads(
        &self,
        qkv: &Tensor,
        fill: impl Fn(Head, (usize, usize), &mut [f32]) + Sync,
    ) -> Tensor {
        let shape = self.output_shape(&[qkv.shape()], &[]);
        let shape = shape.unwrap_or_else(|detail| panic!("attention {detail}"));
        let (n, t) = (shape[0], shape[1]);
        let mut tables = vec![0.0; n * self.heads * t * t];
        tables
            .par_chunks_exact_mut(t * t)
            .enumerate()
            .for_each(|(task, table)| {
                let (picture, index) = (task / self.heads, task % self.heads);
                fill(self.head(qkv, picture, index), (picture, index), table);
            });
        Tensor::from_stored(&[n * self.heads, t, t], tables)
    }

    /// Head `head` of input `picture`.
    fn head<'a>(&self, qkv: &'a Tensor, picture: usize, head: usize) -> Head<'a> {
        let &[_, t, wide] = qkv.shape() else {
            unreachable!("output_shape checked the rank");
        };
        let width = wide / 3 / self.heads;
        let rows = &qkv.data()[picture * t * wide + head * width..];
        Head::new(rows, wide, wide / 3, t, width)
    }
}

impl Op for Attention {
    fn kind(&self) -> &'static str {
        "attention"
    }

    fn class(&self) -> Class {
        Class::Attention
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [[n, t, wide]]
                if self.heads > 0
                    && wide.is_multiple_of(3)
                    && (wide / 3).is_multiple_of(self.heads) =>
            {
                Ok(vec![*n, *t, wide / 3])
            }
            _ => Err(format!(
                "expects queries, keys and values [N, T, 3 · D] of {} heads, not {inputs:?}",
                self.heads
            )),
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let &[n, t, wide] = call.output_shape else {
            unreachable!("output_shape made it");
        };
        let width = wide / self.heads;
        let blocks: Vec<Range<usize>> = Head::blocks(t).collect();
        let mut output = Buffer::unspecified(n * t * wide);
        let target = Shared::new(&mut output);
        (0..n * self.heads * blocks.len())
            .into_par_iter()
            .for_each(|task| {
                let (queries, task) = (&blocks[task % blocks.len()], task / blocks.len());
                let (picture, head) = (task / self.heads, task % self.heads);
                let own = self.head(call.inputs[0], picture, head);
                let attended = own.attended(&own.probabilities(queries, |_, _| {}));
                for (query, values) in queries.clone().zip(attended.chunks_exact(width)) {
                    // SAFETY: only this task writes this head's features of this token, and they are inside
                    // the buffer.
                    unsafe {
                        let first = target.at((picture * t + query) * wide + head * width);
                        std::slice::from_raw_parts_mut(first, width)
                    }
                    .copy_from_slice(values);
                }
            });
        Tensor::from_buffer(call.output_shape, output).into()
    }

    fn multiply_adds(&self, inputs: &[&[usize]], _: &[&[usize]]) -> usize {
        // One for every key and one for every value.
        2 * inputs[0][1]
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let qkv = call.inputs[0];
        let &[n, t, wide] = qkv.shape() else {
            unreachable!("output_shape checked the rank");
        };
        let (features, width) = (wide / 3, wide / 3 / self.heads);
        let mut gradient = Buffer::unspecified(qkv.len());
        let target = Shared::new(&mut gradient);
        (0..n * self.heads).into_par_iter().for_each(|task| {
            let (picture, head) = (task / self.heads, task % self.heads);
            let own = self.head(qkv, picture, head);
            let grad = &grad_output.data()[picture * t * features + head * width..];
            let grad = Matrix::rows(grad, features);
            let found = own.gradients(grad, |_, _| {}, |_, _| {});
            for (which, values) in [found.q, found.k, found.v].iter().enumerate() {
                let first = picture * t * wide + which * features + head * width;
                for (token, values) in values.chunks_exact(width).enumerate() {
                    // SAFETY: only this task writes these features of this token, and they are inside the
                    // buffer.
                    unsafe {
                        let first = target.at(first + token * wide);
                        std::slice::from_raw_parts_mut(first, width)
                    }
                    .copy_from_slice(values);
                }
            }
        });
        Ok(Gradients::input(Tensor::from_buffer(qkv.shape(), gradient)))
    }
}
