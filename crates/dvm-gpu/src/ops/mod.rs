//! The ops that a GPU computes. One file per family, one line per op in [`of`]; all others are left to the CPU
//! (local response normalisation, resampling).

mod activation;
mod arithmetic;
mod attention;
mod convolution;
mod linear;
mod movement;
mod normalisation;
mod pool;
mod randomness;
mod reduction;
mod window_attention;

use std::any::Any;

use dvm_engine::Tensor;
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients, Op};
use dvm_engine::ops::{
    add::Add, attention::Attention, batch_norm::BatchNorm, batched_product::BatchedProduct,
    binary::Binary, channel_affine::ChannelAffine, channel_shuffle::ChannelShuffle, concat::Concat,
    conv2d::Conv2d, dropout::Dropout, flatten::Flatten, input::Input, layer_norm::LayerNorm,
    linear::FusedLinear, linear::Linear, mul::Mul, pad::CropLike, pad::Pad, permute::Permute,
    pool::Pool, prelu::PRelu, reduce::Reduce, repeat::Repeat, reshape::Reshape, scale::Scale,
    slice::Slice, softmax::Softmax, stochastic_depth::StochasticDepth, tokens::Grid,
    tokens::Tokens, unary::Unary, window_attention::WindowAttention,
};

pub(crate) use self::activation::by_rule;
use crate::kernels::copy::{View, copy, gathered};
use crate::kernels::reduce::{Axes, How, reduced};
use crate::values::{Gpu, Values};

/// An op on a GPU.
pub(crate) trait OnGpu {
    /// The value; `None` if the CPU must compute it.
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult>;

    /// The true gradients; `None` if the CPU must compute them. Inputs may have only a shape, as the op's
    /// [`Op::needs`] says.
    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients>;
}

/// Returns the GPU's form of an op if it is of one type.
type Form = fn(&dyn Any) -> Option<&dyn OnGpu>;

/// The GPU's form of an op, if there is one.
pub(crate) fn of(op: &dyn Op) -> Option<&dyn OnGpu> {
    let op: &dyn Any = op;
    let forms: [Form; 33] = [
        as_::<Input>,
        as_::<Conv2d>,
        as_::<Linear>,
        as_::<FusedLinear>,
        as_::<BatchNorm>,
        as_::<LayerNorm>,
        as_::<dvm_engine::ops::activation::Activation>,
        as_::<PRelu>,
        as_::<Unary>,
        as_::<Pool>,
        as_::<Add>,
        as_::<Mul>,
        as_::<Binary>,
        as_::<Scale>,
        as_::<ChannelAffine>,
        as_::<BatchedProduct>,
        as_::<Attention>,
        as_::<WindowAttention>,
        as_::<Softmax>,
        as_::<Reduce>,
        as_::<Dropout>,
        as_::<StochasticDepth>,
        as_::<Flatten>,
        as_::<Reshape>,
        as_::<Permute>,
        as_::<ChannelShuffle>,
        as_::<Concat>,
        as_::<Slice>,
        as_::<Pad>,
        as_::<CropLike>,
        as_::<Repeat>,
        as_::<Tokens>,
        as_::<Grid>,
    ];
    forms.iter().find_map(|form| form(op))
}

fn as_<T: OnGpu + 'static>(op: &dyn Any) -> Option<&dyn OnGpu> {
    op.downcast_ref::<T>().map(|op| op as &dyn OnGpu)
}

/// A value of this shape.
fn value(values: Values, shape: &[usize]) -> Option<ForwardResult> {
    Some(values.tensor(shape).into())
}

/// The gradient of an op with one input of this shape and no parameters.
fn gradient(values: Values, shape: &[usize]) -> Option<Gradients> {
    Some(Gradients::input(values.tensor(shape)))
}

/// The values in row-major order of their shape.
fn in_rows(gpu: &Gpu, values: &Values, shape: &[usize]) -> Values {
    if View::of(shape) == View::rows(shape) || is_flat(shape) {
        return values.clone();
    }
    let to = gpu.empty(values.len());
    copy(
        gpu,
        (values, &View::of(shape)),
        (&to, &View::rows(shape)),
        shape,
    );
    to
}

/// Values in row-major order of this shape, as stored.
fn from_rows(gpu: &Gpu, values: &Values, shape: &[usize]) -> Values {
    if View::of(shape) == View::rows(shape) || is_flat(shape) {
        return values.clone();
    }
    gathered(gpu, values, &View::rows(shape), shape)
}

/// Whether feature maps are stored in row-major order: they have one channel or one pixel.
fn is_flat(shape: &[usize]) -> bool {
    matches!(shape, [_, 1, _, _] | [_, _, 1, 1])
}

/// The sum of values of `shape` over the axes along which `to` was stretched to it.
fn summed_to(gpu: &Gpu, values: &Values, shape: &[usize], to: &[usize]) -> Values {
    if shape == to {
        return values.clone();
    }
    let before = shape.len() - to.len();
    let is_kept = |axis: usize| axis >= before && to[axis - before] == shape[axis];
    let view = View::of(shape);
    let kept = Axes::chosen(shape, (&view, &view), is_kept);
    let summed = Axes::chosen(shape, (&view, &view), |axis| !is_kept(axis));
    let rows = reduced(gpu, (values, values), &kept, &summed, How::Sum);
    from_rows(gpu, &rows, to)
}
