//! The fully connected layer.

mod fused;
mod packed;

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

pub use self::fused::FusedLinear;
use self::packed::Packed;
use super::activation::Activation;
use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::matmul::{Matrix, matmul};
use super::panels::{Finish, Residual};
use super::simd::{Shared, load, multiply_add};
use super::{
    Arithmetic, BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Mode, Needs, Op,
    Prepared, Reach, channel_sums,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::InstructionSet;

/// `x · Wᵀ + b` for weights `[O, I]` and, if there is a second parameter, a bias `[O]`: of rows
/// `[N, I]`, of the tokens of `[N, T, I]`, or of the pixels of feature maps `[N, I, H, W]`.
#[derive(Clone, Copy, Debug)]
pub struct Linear;

/// Output columns of one task.
const COLUMNS: usize = 128;

/// From this number of rows on, weights are read once for many rows.
const MANY: usize = 48;

/// The most values of weights that are packed for many rows and kept packed. For more, in the last layers of
/// old networks, a second copy would need too much memory.
const PACKED: usize = 1 << 23;

/// From this number of rows on, weights are packed even if used once, as in a training step.
const MANY_ONCE: usize = 256;

/// Whether weights `[O, I]` are packed for this many rows.
fn pays_to_pack(rows: usize, weight: &Tensor, mode: Mode) -> bool {
    let many = match mode {
        Mode::Inference => MANY,
        Mode::Training { .. } => MANY_ONCE,
    };
    rows >= many && weight.len() <= PACKED
}

fn packed(prepared: Option<&Prepared>) -> &Packed {
    prepared
        .and_then(|prepared| prepared.downcast_ref())
        .expect("a linear layer prepares its weights")
}

/// Rows and columns of one task of [`rows_product`].
const BLOCK: (usize, usize) = (192, 512);

/// Rows of the weights' gradient per task.
const OUTPUT_ROWS: usize = 64;

/// `a · b + bias` for many rows `a` `[m, k]`, in blocks that do not depend on the number of threads.
fn rows_product(
    a: &[f32],
    b: Matrix,
    bias: Option<&[f32]>,
    (m, n, k): (usize, usize, usize),
    output: &mut [f32],
) {
    assert_eq!(output.len(), m * n);
    let output = Shared::new(output);
    let (rows, columns) = BLOCK;
    let across = n.div_ceil(columns);
    (0..m.div_ceil(rows) * across)
        .into_par_iter()
        .for_each(|task| {
            let (row, column) = (task / across * rows, task % across * columns);
            let (m, n_here) = (rows.min(m - row), columns.min(n - column));
            let part = Matrix {
                values: &b.values[column * b.column_stride..],
                ..b
            };
            let mut block = vec![0.0; m * n_here];
            let own = Matrix::rows(&a[row * k..], k);
            matmul((m, n_here, k), own, part, &mut block, n_here, false);
            for (line, values) in block.chunks_exact(n_here).enumerate() {
                // SAFETY: only this task writes this part of this row, and it is inside the buffer.
                let target = unsafe {
                    let first = output.at((row + line) * n + column);
                    std::slice::from_raw_parts_mut(first, n_here)
                };
                match bias {
                    Some(bias) => {
                        let pairs = values.iter().zip(&bias[column..]);
                        for (target, (value, bias)) in target.iter_mut().zip(pairs) {
                            *target = value + bias;
                        }
                    }
                    None => target.copy_from_slice(values),
                }
            }
        });
}

/// `a · b` for `a` `[m, k]`, split by the columns of `b`, so that a single row uses several cores. The
/// blocks do not depend on the number of threads.
fn product(a: &[f32], b: Matrix, (m, n, k): (usize, usize, usize)) -> Vec<f32> {
    let blocks: Vec<Vec<f32>> = (0..n.div_ceil(COLUMNS))
        .into_par_iter()
        .map(|block| {
            let first = block * COLUMNS;
            let count = COLUMNS.min(n - first);
            let part = Matrix {
                values: &b.values[first * b.column_stride..],
                ..b
            };
            let mut c = vec![0.0; m * count];
            matmul(
                (m, count, k),
                Matrix::rows(a, k),
                part,
                &mut c,
                count,
                false,
            );
            c
        })
        .collect();
    let mut c = vec![0.0; m * n];
    for (row, values) in c.chunks_exact_mut(n).enumerate() {
        for (part, block) in values.chunks_mut(COLUMNS).zip(&blocks) {
            let count = part.len();
            part.copy_from_slice(&block[row * count..][..count]);
        }
    }
    c
}

/// `rows · weightsᵀ + bias`, all read as stored. The last layers of a network are used once per pass, so
/// packing their weights would cost more than it saves, and twice the memory.
struct Dots<'a> {
    /// `[N, I]`
    rows: &'a [f32],
    /// `[O, I]`
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    /// `(N, O, I)`
    size: (usize, usize, usize),
}

/// Outputs of one task.
const OUTPUTS: usize = 16;

/// Products per stretch, so that a task's weights stay in cache for all rows.
const STRETCH: usize = 4096;

/// Outputs whose sums are in registers at a time, for as many rows as fit.
const TILE: usize = 4;

impl Dots<'_> {
    fn compute(&self, set: InstructionSet, output: &mut [f32]) {
        let (n, o, i) = self.size;
        assert_eq!(self.rows.len(), n * i);
        assert_eq!(self.weights.len(), o * i);
        assert_eq!(output.len(), n * o);
        let output = Shared::new(output);
        (0..o.div_ceil(OUTPUTS)).into_par_iter().for_each(|task| {
            let outputs = task * OUTPUTS..((task + 1) * OUTPUTS).min(o);
            let mut sums = vec![0.0; n * outputs.len()];
            set.run(Stretches {
                dots: self,
                outputs: outputs.clone(),
                sums: &mut sums,
            });
            for (row, sums) in sums.chunks_exact(outputs.len()).enumerate() {
                // SAFETY: only this task writes these outputs of each row, and they are inside the buffer.
                let target = unsafe {
                    let first = output.at(row * o + outputs.start);
                    std::slice::from_raw_parts_mut(first, outputs.len())
                };
                target.copy_from_slice(sums);
                if let Some(bias) = self.bias {
                    for (value, b) in target.iter_mut().zip(&bias[outputs.clone()]) {
                        *value += b;
                    }
                }
            }
        });
    }
}

/// One task of [`Dots`].
struct Stretches<'a> {
    dots: &'a Dots<'a>,
    outputs: Range<usize>,
    /// `[N, outputs]`
    sums: &'a mut [f32],
}

impl WithSimd for Stretches<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (n, _, i) = self.dots.size;
        for start in (0..i).step_by(STRETCH) {
            let stretch = start..(start + STRETCH).min(i);
            let most = if S::REGISTER_COUNT >= 32 { 6 } else { 3 };
            for row in (0..n).step_by(most) {
                for output in self.outputs.clone().step_by(TILE) {
                    let stretch = stretch.clone();
                    match most.min(n - row) {
                        1 => self.tile::<S, 1>(simd, row, output, stretch),
                        2 => self.tile::<S, 2>(simd, row, output, stretch),
                        3 => self.tile::<S, 3>(simd, row, output, stretch),
                        4 => self.tile::<S, 4>(simd, row, output, stretch),
                        5 => self.tile::<S, 5>(simd, row, output, stretch),
                        _ => self.tile::<S, 6>(simd, row, output, stretch),
                    }
                }
            }
        }
    }
}

impl Stretches<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        output: usize,
        stretch: Range<usize>,
    ) {
        const O: usize = TILE;
        let (_, _, i) = self.dots.size;
        let lanes = S::F32_LANES;
        let part = |values: &'_ [f32], line: usize| values[line * i..][stretch.clone()].as_ptr();
        let rows: [*const f32; R] = std::array::from_fn(|r| part(self.dots.rows, row + r));
        // A tile with fewer outputs computes its last one several times.
        let last = self.outputs.end - 1;
        let weights: [*const f32; O] =
            std::array::from_fn(|o| part(self.dots.weights, (output + o).min(last)));
        let mut sums = [[simd.splat_f32s(0.0); O]; R];
        let whole = stretch.len() / lanes * lanes;
        for k in (0..whole).step_by(lanes) {
            // SAFETY: each pointer is the start of a slice with the stretch's length.
            unsafe {
                let mut columns = [simd.splat_f32s(0.0); O];
                for o in 0..O {
                    columns[o] = load::<S>(weights[o].add(k));
                }
                for r in 0..R {
                    let value = load::<S>(rows[r].add(k));
                    for o in 0..O {
                        sums[r][o] = multiply_add(simd, value, columns[o], sums[r][o]);
                    }
                }
            }
        }
        let width = self.outputs.len();
        for r in 0..R {
            for o in 0..O {
                let mut sum = simd.reduce_sum_f32s(sums[r][o]);
                for k in whole..stretch.len() {
                    // SAFETY: as above.
                    sum += unsafe { *rows[r].add(k) * *weights[o].add(k) };
                }
                if output + o <= last {
                    self.sums[(row + r) * width + output + o - self.outputs.start] += sum;
                }
            }
        }
    }
}

/// `activation(x · Wᵀ + b + residual)`; the residual is the second input, if there is one.
fn computed(call: &ForwardCall, activation: Option<Activation>) -> ForwardResult {
    let &[o, i] = call.parameters[0].shape() else {
        unreachable!("output_shape checked the rank");
    };
    // Adjacent values form one row, for any rank.
    let n = call.inputs[0].len() / i;
    let mut output = Buffer::unspecified(n * o);
    let bias = call.parameters.get(1).map(|bias| bias.data());
    let (x, weight) = (call.inputs[0], call.parameters[0]);
    let residual = call
        .inputs
        .get(1)
        .map(|values| Residual::new(values.data(), &output));
    let finish = Finish {
        bias,
        residual,
        activation,
    };
    // In exact arithmetic the batch size must not change the kernel.
    let exact = call.arithmetic == Arithmetic::Exact;
    let pack = match exact {
        true => x.shape().len() > 2 && weight.len() <= PACKED,
        false => pays_to_pack(n, weight, call.mode),
    };
    if pack {
        let weights = packed(call.prepared).forward(weight);
        packed::product(x.data(), weights, finish, &mut output);
        return Tensor::from_buffer(call.output_shape, output).into();
    }
    if n >= MANY && !exact {
        let weights = Matrix::rows(weight.data(), i).transposed();
        rows_product(x.data(), weights, bias, (n, o, i), &mut output);
    } else {
        let dots = Dots {
            rows: call.inputs[0].data(),
            weights: call.parameters[0].data(),
            bias,
            size: (n, o, i),
        };
        dots.compute(InstructionSet::in_use(), &mut output);
    }
    // The bias is already added.
    let finish = Finish {
        bias: None,
        ..finish
    };
    InstructionSet::in_use().run(FinishRows {
        finish,
        columns: o,
        output: &mut output,
    });
    Tensor::from_buffer(call.output_shape, output).into()
}

/// Applies the finish to sums that are already stored.
struct FinishRows<'a> {
    finish: Finish<'a>,
    columns: usize,
    output: &'a mut [f32],
}

impl WithSimd for FinishRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.output.chunks_exact_mut(self.columns) {
            self.finish.row(simd, 0, row);
        }
    }
}

impl Op for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn class(&self) -> Class {
        Class::Linear
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_token(self, input, node)
    }

    fn is_affine(&self) -> bool {
        true
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        let (o, i) = match parameters {
            [[o, i]] => (*o, *i),
            [[o, i], [b]] if b == o => (*o, *i),
            _ => {
                return Err(format!(
                    "expects a weight [O, I] and perhaps a bias [O], not {parameters:?}"
                ));
            }
        };
        match inputs {
            [[n, d]] if *d == i && *d > 0 => Ok(vec![*n, o]),
            [[n, t, d]] if *d == i && *d > 0 => Ok(vec![*n, *t, o]),
            [[n, d, h, w]] if *d == i && *d > 0 => Ok(vec![*n, o, *h, *w]),
            _ => Err(format!(
                "expects [N, {i}], [N, T, {i}] or [N, {i}, H, W], not {inputs:?}"
            )),
        }
    }

    fn prepare(&self) -> Option<Prepared> {
        Some(Box::new(Packed::new(InstructionSet::in_use())))
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        computed(call, None)
    }

    fn multiply_adds(&self, _: &[&[usize]], parameters: &[&[usize]]) -> usize {
        parameters[0][1..].iter().product()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let (x, weight) = (call.inputs[0], call.parameters[0]);
        let &[o, i] = weight.shape() else {
            unreachable!("output_shape checked the rank");
        };
        let n = x.len() / i;
        let mut gradients = Gradients {
            inputs: vec![None],
            parameters: vec![None; call.parameters.len()],
        };
        if call.wants_input[0] {
            let weights = Matrix::rows(weight.data(), i);
            let g = if n >= MANY {
                let (mut g, grad) = (Buffer::unspecified(n * i), grad_output.data());
                if pays_to_pack(n, weight, call.mode) {
                    let weights = packed(call.prepared).backward(weight);
                    packed::product(grad, weights, Finish::default(), &mut g);
                } else {
                    rows_product(grad, weights, None, (n, i, o), &mut g);
                }
                Tensor::from_buffer(x.shape(), g)
            } else {
                Tensor::from_stored(x.shape(), product(grad_output.data(), weights, (n, i, o)))
            };
            gradients.inputs[0] = Some(g);
        }
        if call.wants_parameter[0] {
            let mut g = vec![0.0; o * i];
            let grad = grad_output.data();
            g.par_chunks_mut(OUTPUT_ROWS * i)
                .enumerate()
                .for_each(|(block, g)| {
                    let rows = Matrix::rows(&grad[block * OUTPUT_ROWS..], o).transposed();
                    let size = (g.len() / i, i, n);
                    matmul(size, rows, Matrix::rows(x.data(), i), g, i, false);
                });
            gradients.parameters[0] = Some(Tensor::from_stored(weight.shape(), g));
        }
        if call.wants_parameter.get(1) == Some(&true) {
            let rows = grad_output.under(&[n, o]);
            gradients.parameters[1] = Some(channel_sums(&rows));
        }
        Ok(gradients)
    }

    fn reach(&self, _: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        if inputs[0].len() == 4 {
            Reach::Pointwise
        } else {
            Reach::Everything
        }
    }
}

#[cfg(test)]
mod tests;
