//! Dropout.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Mode, Needs, Op, Reach,
    map2, map2_into,
};
use crate::Tensor;
use crate::runtime::splitmix;

/// In training, zeroes each value with probability `p` and divides the others by `1 − p` (arXiv 1207.0580);
/// in inference, does nothing.
///
/// The mask depends only on the step's seed and the node's position, so a resumed training draws the
/// same masks.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Probability that a value is dropped, in [0, 1).
    pub p: f32,
}

impl Op for Dropout {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn class(&self) -> Class {
        Class::Identity
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        if !(0.0..1.0).contains(&self.p) {
            return Err(format!(
                "its probability must be in [0, 1), but is {}",
                self.p
            ));
        }
        match inputs {
            [x] => Ok(x.to_vec()),
            _ => Err(format!("expects one input, not {}", inputs.len())),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs[0]
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let x = call.inputs[0];
        let Mode::Training { seed } = call.mode else {
            return x.clone().into();
        };
        let kept = 1.0 / (1.0 - self.p);
        let mask = splitmix::unit(&format!("dropout {seed} {}", call.random_stream), x.len())
            .into_iter()
            .map(|u| if u < self.p { 0.0 } else { kept })
            .collect();
        let mask = Tensor::from_stored(x.shape(), mask);
        ForwardResult {
            value: map2(x, &mask, |x, m| x * m),
            saved: vec![mask],
            statistics: Vec::new(),
        }
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        Ok(Gradients::input(match call.saved {
            [mask] => map2_into(grad_output, mask, |g, m| g * m),
            _ => grad_output,
        }))
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}
