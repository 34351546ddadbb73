//! Concatenation along the channels.

use rayon::prelude::*;

use super::{Call, Gradients, Needs, Op, Outcome, Reach, Site, TASK};
use crate::Tensor;
use crate::buffer::Buffer;

/// Inputs `[N, Cᵢ, …]` side by side, `[N, Σ Cᵢ, …]`.
#[derive(Clone, Copy, Debug)]
pub struct Concat;

impl Op for Concat {
    fn kind(&self) -> &'static str {
        "concat"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let fits = inputs.first().is_some_and(|first| {
            matches!(first.len(), 2 | 4)
                && inputs
                    .iter()
                    .all(|i| i.len() == first.len() && i[0] == first[0] && i[2..] == first[2..])
        });
        if !fits {
            return Err(format!(
                "joins inputs that differ in their channels only, not {inputs:?}"
            ));
        }
        let mut shape = inputs[0].to_vec();
        shape[1] = inputs.iter().map(|i| i[1]).sum();
        Ok(shape)
    }

    fn forward(&self, call: &Call) -> Outcome {
        let channels = call.output_shape[1];
        let mut output = Buffer::stale(call.output_shape.iter().product());
        let rows = (TASK / channels.max(1)).max(1);
        output
            .par_chunks_mut((rows * channels).max(1))
            .enumerate()
            .for_each(|(task, output)| {
                let pixels = output.chunks_exact_mut(channels);
                for (pixel, joined) in (task * rows..).zip(pixels) {
                    let mut rest = joined;
                    for input in call.inputs {
                        let c = input.shape()[1];
                        let (own, others) = rest.split_at_mut(c);
                        own.copy_from_slice(&input.data()[pixel * c..(pixel + 1) * c]);
                        rest = others;
                    }
                }
            });
        Tensor::from_buffer(call.output_shape, output).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, site: &Site, grad_output: Tensor) -> Result<Gradients, String> {
        let channels = grad_output.shape()[1];
        let mut first = 0;
        let mut gradients = Gradients::default();
        for (input, wanted) in site.inputs.iter().zip(site.wants_input) {
            let c = input.shape()[1];
            gradients.inputs.push(wanted.then(|| {
                let mut own = Vec::with_capacity(input.shape().iter().product());
                for joined in grad_output.data().chunks_exact(channels) {
                    own.extend_from_slice(&joined[first..first + c]);
                }
                Tensor::from_stored(input.shape(), own)
            }));
            first += c;
        }
        Ok(gradients)
    }

    fn reach(&self, _: usize, _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}
