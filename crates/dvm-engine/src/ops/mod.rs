//! The ops, one file each: kernel, type, forward and backward. `docs/adding-an-op.md` is the checklist for a
//! new one.
//!
//! An op does not see the graph: it gets values, shapes and its parameters.

pub mod activation;
pub mod add;
pub mod attention;
pub mod batch_norm;
pub mod batched_product;
pub mod binary;
mod bounds;
pub mod channel_affine;
pub mod channel_shuffle;
mod class;
pub mod concat;
pub mod conv2d;
pub mod dropout;
mod exponential;
pub mod flatten;
pub mod input;
pub mod layer_norm;
pub mod layout;
pub mod linear;
pub mod local_response_norm;
mod matmul;
pub mod mul;
mod outer;
pub mod pad;
mod panels;
pub mod permute;
pub mod pool;
pub mod prelu;
mod reach;
pub mod reduce;
pub mod repeat;
pub mod resample;
pub mod reshape;
pub mod scale;
mod simd;
pub mod slice;
pub mod softmax;
pub mod stochastic_depth;
mod strided;
pub mod tokens;
mod transpose;
pub mod unary;
pub mod window_attention;

use std::any::Any;
use std::fmt::Debug;

use rayon::prelude::*;

pub use self::bounds::Bounds;
pub use self::class::Class;
use self::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
pub use self::reach::{Axis, Reach};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::vectorised;

/// What a node of a graph computes.
///
/// [`Op::output_shape`] is called before every [`Op::forward`], so kernels may rely on shapes that fit.
/// An op never changes its parameters: updated statistics of a batch-norm are in
/// [`ForwardResult::statistics`].
pub trait Op: Any + Debug + Send + Sync {
    /// The kind, for messages and tables, such as `conv2d`.
    fn kind(&self) -> &'static str;

    /// The effect of the op on values, for code that does not depend on the exact op.
    fn class(&self) -> Class;

    /// The shape of the value for these inputs and parameters, which have no side of 0. Graphs come from
    /// untrusted files, so this must refuse everything that cannot be computed, for any values of the op's
    /// fields.
    ///
    /// # Errors
    /// What does not fit, with the shapes, as the end of a sentence.
    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String>;

    /// Storage for packed parameters, if kernels need them in a form other than the stored one. The graph
    /// keeps it as long as the parameters stay the same.
    fn prepare(&self) -> Option<Prepared> {
        None
    }

    /// The value of the node.
    fn forward(&self, call: &ForwardCall) -> ForwardResult;

    /// The layout of the value of this shape, given those of the inputs; `None` if it has no rows and
    /// columns of positions. [`SpatialLayout::unmoved`] fits ops that move no value.
    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout>;

    /// The positions of input `input`, counted from 0, that one position of the value is computed from.
    /// [`Reads::by_reach`] fits ops that work on feature maps.
    fn reads(&self, input: usize, node: &NodeShapes) -> Reads;

    /// The pixels of input `input`, counted from 0, that a pixel of the value is computed from in inference,
    /// if both are feature maps; `inputs` and `parameters` are shapes that fit. If a part of the input
    /// changes, occlusion computes only the part of the value that this reaches. [`Reach::Everything`] is
    /// always correct.
    fn reach(&self, input: usize, inputs: &[&[usize]], parameters: &[&[usize]]) -> Reach;

    /// Whether the value is an affine function of the inputs in inference, so that its gradient is the
    /// same everywhere. `false` is always correct.
    fn is_affine(&self) -> bool {
        self.class().is_affine()
    }

    /// Bounds of the value in inference, given the bounds of the inputs. [`Bounds::ALL`] (unknown) is
    /// always correct.
    fn bounds(&self, _inputs: &[Bounds], _parameters: &[&Tensor]) -> Bounds {
        Bounds::ALL
    }

    /// Multiply-adds of a forward call per value of the output, for these shapes; 0 for ops that are not sums
    /// of products.
    fn multiply_adds(&self, _inputs: &[&[usize]], _parameters: &[&[usize]]) -> usize {
        0
    }

    /// The values that [`Op::backward`] reads: training releases all others before. Shapes are always
    /// available.
    fn needs(&self) -> Needs {
        Needs::INPUTS_AND_OUTPUT
    }

    /// The true gradients, by the chain rule. The gradient of the output may be changed in place if it is not
    /// shared.
    ///
    /// # Errors
    /// Why the op has no backward pass, as the end of a sentence.
    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String>;
}

/// The values of the forward pass that a backward pass needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The values of the node's inputs.
    pub inputs: bool,
    /// The node's own value.
    pub output: bool,
}

impl Needs {
    /// Only shapes, and the values that the forward call saved.
    pub const NOTHING: Self = Self {
        inputs: false,
        output: false,
    };

    /// Both.
    pub const INPUTS_AND_OUTPUT: Self = Self {
        inputs: true,
        output: true,
    };

    /// The inputs.
    pub const INPUTS: Self = Self {
        inputs: true,
        output: false,
    };

    /// The output.
    pub const OUTPUT: Self = Self {
        inputs: false,
        output: true,
    };
}

/// Packed forms of an op's parameters, each made at first use.
pub type Prepared = Box<dyn Any + Send + Sync>;

/// Inference or training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch-norm uses its running statistics; dropout does nothing.
    Inference,
    /// Batch-norm uses the statistics of the batch; dropout draws its mask from `seed`.
    Training {
        /// One number per step: the same seed draws the same masks.
        seed: u64,
    },
}

/// Which kernels may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// The fastest kernels that keep a convolution within 1e-4 of the direct one, relative to its largest
    /// value: Winograd's transforms, and kernels chosen by the batch size.
    #[default]
    Fast,
    /// Direct kernels only, with every sum in a fixed order: a value is bit-identical in every batch and
    /// every patch.
    Exact,
}

/// One forward call of an op.
pub struct ForwardCall<'a> {
    /// Values of the inputs.
    pub inputs: &'a [&'a Tensor],
    /// Values of the parameters, in the order in which the node lists them.
    pub parameters: &'a [&'a Tensor],
    /// What [`Op::prepare`] returned for these parameters.
    pub prepared: Option<&'a Prepared>,
    /// The shape that [`Op::output_shape`] returned.
    pub output_shape: &'a [usize],
    /// Inference or training.
    pub mode: Mode,
    /// Which kernels may be used.
    pub arithmetic: Arithmetic,
    /// The stream of random numbers for the node, in addition to the step's seed: its position in the graph
    /// before passes merged nodes.
    pub random_stream: usize,
}

/// What a forward call returns.
pub struct ForwardResult {
    /// The value of the node.
    pub value: Tensor,
    /// The values that the backward call needs, in the op's own order.
    pub saved: Vec<Tensor>,
    /// New values of the statistics among the parameters, in their order (training only).
    pub statistics: Vec<Tensor>,
}

impl From<Tensor> for ForwardResult {
    fn from(value: Tensor) -> Self {
        Self {
            value,
            saved: Vec::new(),
            statistics: Vec::new(),
        }
    }
}

/// One backward call of an op or a rule.
pub struct BackwardCall<'a> {
    /// Values of the node's inputs.
    pub inputs: &'a [&'a Tensor],
    /// Values of the node's parameters.
    pub parameters: &'a [&'a Tensor],
    /// What [`Op::prepare`] returned for these parameters.
    pub prepared: Option<&'a Prepared>,
    /// The node's value.
    pub output: &'a Tensor,
    /// The values that the node's forward call saved.
    pub saved: &'a [Tensor],
    /// The mode of the forward pass.
    pub mode: Mode,
    /// Which kernels may be used.
    pub arithmetic: Arithmetic,
    /// For each input, whether its gradient is needed.
    pub wants_input: &'a [bool],
    /// For each parameter, whether its gradient is needed.
    pub wants_parameter: &'a [bool],
}

/// Gradients at one node; `None` if not needed or not defined (statistics).
#[derive(Debug, Default)]
pub struct Gradients {
    /// One per input.
    pub inputs: Vec<Option<Tensor>>,
    /// One per parameter; may be shorter than the list of parameters.
    pub parameters: Vec<Option<Tensor>>,
}

impl Gradients {
    /// The gradient of a node with one input and no parameters.
    pub fn input(gradient: Tensor) -> Self {
        Self {
            inputs: vec![Some(gradient)],
            parameters: Vec::new(),
        }
    }
}

/// `(N, C, H, W)` of a rank-4 shape.
///
/// # Errors
/// If the rank is not 4.
fn feature_map(shape: &[usize]) -> Result<(usize, usize, usize, usize), String> {
    match *shape {
        [n, c, h, w] => Ok((n, c, h, w)),
        _ => Err(format!("expects feature maps [N, C, H, W], not {shape:?}")),
    }
}

/// Checks that there is one input, and a second one for a residual.
///
/// # Errors
/// If there are more or fewer inputs.
fn check_inputs(inputs: &[&[usize]], residual: bool) -> Result<(), String> {
    let expected = 1 + usize::from(residual);
    if inputs.len() != expected {
        return Err(format!("expects {expected} input(s), not {}", inputs.len()));
    }
    Ok(())
}

/// Values per task: enough to make the cost of a task negligible.
const TASK: usize = 1 << 14;

/// Fills `output` from `input`, value by value, in parallel.
pub(crate) fn map(input: &Tensor, f: impl Fn(f32) -> f32 + Sync) -> Tensor {
    let mut output = Buffer::unspecified(input.len());
    output
        .par_chunks_mut(TASK)
        .zip(input.data().par_chunks(TASK))
        .for_each(|(output, input)| {
            vectorised(
                #[inline(always)]
                || {
                    for (o, &i) in output.iter_mut().zip(input) {
                        *o = f(i);
                    }
                },
            );
        });
    Tensor::from_buffer(input.shape(), output)
}

/// Fills a tensor from two of the same shape, value by value, in parallel.
pub(crate) fn map2(a: &Tensor, b: &Tensor, f: impl Fn(f32, f32) -> f32 + Sync) -> Tensor {
    debug_assert_eq!(a.shape(), b.shape());
    let mut output = Buffer::unspecified(a.len());
    output
        .par_chunks_mut(TASK)
        .zip(a.data().par_chunks(TASK))
        .zip(b.data().par_chunks(TASK))
        .for_each(|((output, a), b)| {
            vectorised(
                #[inline(always)]
                || {
                    for ((o, &a), &b) in output.iter_mut().zip(a).zip(b) {
                        *o = f(a, b);
                    }
                },
            );
        });
    Tensor::from_buffer(a.shape(), output)
}

/// Changes `values` by the values of `other`, in parallel; in place if they are not shared.
pub(crate) fn map2_into(
    mut values: Tensor,
    other: &Tensor,
    f: impl Fn(f32, f32) -> f32 + Sync,
) -> Tensor {
    debug_assert_eq!(values.shape(), other.shape());
    let Some(own) = values.own_data_mut() else {
        return map2(&values, other, f);
    };
    own.par_chunks_mut(TASK)
        .zip(other.data().par_chunks(TASK))
        .for_each(|(own, other)| {
            vectorised(
                #[inline(always)]
                || {
                    for (a, &b) in own.iter_mut().zip(other) {
                        *a = f(*a, b);
                    }
                },
            );
        });
    values
}

/// Rows per partial sum.
const SUMMED_ROWS: usize = 256;

/// Sums over all axes except the channels, `[C]`: of feature maps `[N, C, H, W]` or rows `[N, C]`.
/// Partial sums of a fixed number of rows are added in f64, in order.
fn channel_sums(tensor: &Tensor) -> Tensor {
    let sums = channel_sums_of(tensor, &|_, value| f64::from(value));
    let sums = sums.into_iter().map(|sum| sum as f32).collect();
    Tensor::from_stored(&[tensor.shape()[1]], sums)
}

/// For each channel the sum of `f(position in storage, value)`.
fn channel_sums_of(tensor: &Tensor, f: &(impl Fn(usize, f32) -> f64 + Sync)) -> Vec<f64> {
    let channels = tensor.shape()[1];
    let partial: Vec<Vec<f64>> = tensor
        .data()
        .par_chunks(SUMMED_ROWS * channels)
        .enumerate()
        .map(|(block, rows)| {
            let mut sums = vec![0.0; channels];
            let first = block * SUMMED_ROWS * channels;
            for (row, values) in rows.chunks_exact(channels).enumerate() {
                let at = first + row * channels;
                for (channel, (sum, &value)) in sums.iter_mut().zip(values).enumerate() {
                    *sum += f(at + channel, value);
                }
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; channels];
    for sums in partial {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    total
}
