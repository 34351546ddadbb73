//! The only ways to run a network for a [`Subject`](crate::Subject): outputs for changed pictures
//! ([`Variants`]) and for a picture changed step by step ([`Series`]), activations and gradients at
//! nodes ([`GradientRequest`]), outputs for changed activations, and the attention of transformers
//! ([`Attentions`]). Only this module decides on caching, batches, threads and memory.

mod activations;
mod attention;
mod batches;
mod gradients;
mod series;
mod variants;

use std::ops::Range;

use dvm_engine::Tensor;
use dvm_engine::incremental::Rectangle;
use rayon::prelude::*;

pub use activations::ActivationResult;
pub use attention::{AttentionBlock, Attentions, EachBlock};
pub(crate) use attention::{Pool, is_softmax_of_attention};
pub use gradients::{GradientRequest, GradientResult};
pub use series::Series;
pub use variants::Variants;

/// A batch of the values that `make` returns for some cases, each of this shape with a batch of one.
fn made(cases: Range<usize>, shape: &[usize], make: &(dyn Fn(usize) -> Vec<f32> + Sync)) -> Tensor {
    let mut shape = shape.to_vec();
    shape[0] *= cases.len();
    let values: Vec<Vec<f32>> = cases.into_par_iter().map(make).collect();
    Tensor::from_stored(&shape, values.concat())
}

/// One of the values of a batch of `count`.
fn of_one(batch: &Tensor, index: usize, count: usize) -> Tensor {
    match count {
        1 => batch.clone(),
        _ => batch.part(index),
    }
}

/// Where the values of each row of a rectangle are, in a picture stored `H, W, C` that is `width` pixels wide.
pub(crate) fn rows_of(
    rectangle: &Rectangle,
    width: usize,
    channels: usize,
) -> impl Iterator<Item = Range<usize>> + Clone + use<> {
    let Rectangle { rows, columns } = rectangle.clone();
    rows.map(move |y| {
        let start = y * width;
        (start + columns.start) * channels..(start + columns.end) * channels
    })
}

/// Replaces these values of a picture by those of another.
pub(crate) fn replace(
    picture: &mut [f32],
    other: &[f32],
    rows: impl IntoIterator<Item = Range<usize>>,
) {
    for row in rows {
        picture[row.clone()].copy_from_slice(&other[row]);
    }
}
