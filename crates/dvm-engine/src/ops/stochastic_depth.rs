//! Stochastic depth.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Mode, Needs, Op, Reach,
};
use crate::Tensor;
use crate::runtime::splitmix;

/// In training, zeroes a residual branch of each picture with probability `p` and divides the others by
/// `1 − p` (arXiv 1603.09382, torchvision's mode `row`); in inference, does nothing. The mask depends
/// only on the step's seed and the node's position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StochasticDepth {
    /// Probability that a picture's branch is dropped, in [0, 1).
    pub p: f32,
}

/// Each picture's values times its factor.
fn scaled(mut x: Tensor, factors: &[f32]) -> Tensor {
    let own = x.len() / factors.len().max(1);
    for (values, &factor) in x.data_mut().chunks_exact_mut(own.max(1)).zip(factors) {
        values.iter_mut().for_each(|value| *value *= factor);
    }
    x
}

impl Op for StochasticDepth {
    fn kind(&self) -> &'static str {
        "stochastic_depth"
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
            let p = self.p;
            return Err(format!("its probability must be in [0, 1), but is {p}"));
        }
        match inputs {
            [x] if !x.is_empty() => Ok(x.to_vec()),
            _ => Err(format!("expects one input [N, …], not {inputs:?}")),
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
        let name = format!("stochastic depth {seed} {}", call.random_stream);
        let factors: Vec<f32> = splitmix::unit(&name, x.shape()[0])
            .into_iter()
            .map(|u| if u < self.p { 0.0 } else { kept })
            .collect();
        ForwardResult {
            value: scaled(x.clone(), &factors),
            saved: vec![Tensor::from_stored(&[factors.len()], factors)],
            statistics: Vec::new(),
        }
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        Ok(Gradients::input(match call.saved {
            [factors] => scaled(grad_output, factors.data()),
            _ => grad_output,
        }))
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Pointwise
    }
}
