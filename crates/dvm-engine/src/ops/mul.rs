//! Multiplication, value by value or of each channel by one number.

use rayon::prelude::*;

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach, TASK,
    feature_map, map2,
};
use crate::Tensor;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::vectorised;

/// The product of two inputs of the same shape, or of feature maps `[N, C, H, W]` and one number per channel,
/// `[N, C, 1, 1]` (squeeze-and-excite), in either order.
#[derive(Clone, Copy, Debug)]
pub struct Mul;

/// Which input, if any, holds one number per channel.
fn per_channel(a: &[usize], b: &[usize]) -> Option<usize> {
    let scales = |scale: &[usize], map: &[usize]| matches!((scale, map), ([n, c, 1, 1], [m, d, ..]) if n == m && c == d && map.len() == 4);
    if a == b {
        None
    } else if scales(b, a) {
        Some(1)
    } else if scales(a, b) {
        Some(0)
    } else {
        None
    }
}

/// `f(map value, scale)` at every value of `map` `[N, C, H, W]`, where `scale` is `[N, C, 1, 1]`.
fn scaled(map: &Tensor, scale: &Tensor) -> Tensor {
    let (_, c, h, w) = feature_map(map.shape()).expect("checked");
    let mut output = Buffer::unspecified(map.len());
    // Rows of a map in one task: even a single map uses several cores.
    let rows = (TASK / (w * c)).clamp(1, h);
    let pictures = output.par_chunks_mut(h * w * c);
    let maps = map.data().par_chunks(h * w * c);
    pictures
        .zip(maps)
        .zip(scale.data().par_chunks(c))
        .for_each(|((output, map), scale)| {
            let tasks = output.par_chunks_mut(rows * w * c);
            tasks
                .zip(map.par_chunks(rows * w * c))
                .for_each(|(output, map)| {
                    vectorised(
                        #[inline(always)]
                        || {
                            for (output, map) in output.chunks_exact_mut(c).zip(map.chunks_exact(c))
                            {
                                for ((o, &m), &s) in output.iter_mut().zip(map).zip(scale) {
                                    *o = m * s;
                                }
                            }
                        },
                    );
                });
        });
    Tensor::from_buffer(map.shape(), output)
}

/// `Σ a · b` over the pixels of each channel, `[N, C, 1, 1]`.
fn summed(a: &Tensor, b: &Tensor) -> Tensor {
    let (n, c, h, w) = feature_map(a.shape()).expect("checked");
    let mut output = vec![0.0; n * c];
    for (map, sums) in output.chunks_exact_mut(c).enumerate() {
        let range = map * h * w * c..(map + 1) * h * w * c;
        let (a, b) = (&a.data()[range.clone()], &b.data()[range]);
        let mut exact = vec![0.0f64; c];
        for (a, b) in a.chunks_exact(c).zip(b.chunks_exact(c)) {
            for ((sum, &a), &b) in exact.iter_mut().zip(a).zip(b) {
                *sum += f64::from(a) * f64::from(b);
            }
        }
        for (sum, exact) in sums.iter_mut().zip(exact) {
            *sum = exact as f32;
        }
    }
    Tensor::from_stored(&[n, c, 1, 1], output)
}

impl Op for Mul {
    fn kind(&self) -> &'static str {
        "mul"
    }

    fn class(&self) -> Class {
        Class::Arithmetic
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [a, b] => match per_channel(a, b) {
                None if a == b => Ok(a.to_vec()),
                Some(1) => Ok(a.to_vec()),
                Some(_) => Ok(b.to_vec()),
                None => Err(format!(
                    "expects two inputs of the same shape, or [N, C, H, W] and [N, C, 1, 1], not {inputs:?}"
                )),
            },
            _ => Err(format!("expects two inputs, not {}", inputs.len())),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs[0].between(inputs[1], |a, b| a * b)
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let (a, b) = (call.inputs[0], call.inputs[1]);
        match per_channel(a.shape(), b.shape()) {
            None => map2(a, b, |a, b| a * b),
            Some(1) => scaled(a, b),
            Some(_) => scaled(b, a),
        }
        .into()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let (a, b) = (call.inputs[0], call.inputs[1]);
        let gradient = |of: usize| {
            let other = if of == 0 { b } else { a };
            match per_channel(a.shape(), b.shape()) {
                None => map2(other, &grad_output, |x, g| x * g),
                Some(scale) if scale == of => summed(other, &grad_output),
                Some(_) => scaled(&grad_output, other),
            }
        };
        Ok(Gradients {
            inputs: (0..2)
                .map(|of| call.wants_input[of].then(|| gradient(of)))
                .collect(),
            parameters: Vec::new(),
        })
    }

    fn reach(&self, input: usize, inputs: &[&[usize]], _: &[&[usize]]) -> Reach {
        if per_channel(inputs[0], inputs[1]) == Some(input) {
            Reach::Everything
        } else {
            Reach::Pointwise
        }
    }
}
