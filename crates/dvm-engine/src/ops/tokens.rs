//! The pixels of a feature map as a sequence.

use super::{Call, Gradients, Needs, Op, Outcome, Site, feature_map};
use crate::Tensor;

/// Feature maps `[N, C, H, W]` as `[N, H · W, C]`, row by row: each pixel a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens;

impl Op for Tokens {
    fn kind(&self) -> &'static str {
        "tokens"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [x] = inputs else {
            return Err(format!("takes one input, not {}", inputs.len()));
        };
        let (n, c, h, w) = feature_map(x)?;
        Ok(vec![n, h * w, c])
    }

    fn forward(&self, call: &Call) -> Outcome {
        // Maps are stored like this already.
        call.inputs[0].clone().under(call.output_shape).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, site: &Site, grad_output: Tensor) -> Result<Gradients, String> {
        let shape = site.inputs[0].shape();
        Ok(Gradients::input(grad_output.under(shape)))
    }
}
