//! PReLU: a leaky ReLU with trained slopes.

use super::binary::{is_flat, zipped};
use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::strided::{broadcast, summed_to};
use super::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;

/// x where it is positive, slope · x elsewhere (arXiv 1502.01852). The slopes are a parameter whose sides,
/// aligned at the last axis, are 1 or those of the value: `[1]` for one slope, `[C, 1, 1]` for one per
/// channel of feature maps, `[C, H, W]` for one per value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PRelu;

impl Op for PRelu {
    fn kind(&self) -> &'static str {
        "prelu"
    }

    fn class(&self) -> Class {
        Class::Activation
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn output_shape(
        &self,
        inputs: &[&[usize]],
        parameters: &[&[usize]],
    ) -> Result<Vec<usize>, String> {
        let ([x], [slopes]) = (inputs, parameters) else {
            return Err(format!(
                "expects one input and its slopes, not {inputs:?} and {parameters:?}"
            ));
        };
        let fits = broadcast(x, slopes).is_ok_and(|shape| shape == *x);
        // Slopes are the same for the whole batch.
        let for_all = slopes.len() < x.len() || slopes.first() == Some(&1);
        if fits && for_all {
            Ok(x.to_vec())
        } else {
            Err(format!("expects slopes that fit {x:?}, not {slopes:?}"))
        }
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let (x, slopes) = (call.inputs[0], call.parameters[0]);
        // NaN stays NaN.
        let value = |x: f32, slope: f32| if x < 0.0 { slope * x } else { x };
        zipped(x, slopes, x.shape(), value).into()
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    /// At 0 the derivative is the slope, as in PyTorch.
    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let (x, slopes) = (call.inputs[0], call.parameters[0]);
        let input = call.wants_input[0].then(|| {
            let derivative = |x: f32, slope: f32| if x > 0.0 { 1.0 } else { slope };
            let derivative = zipped(x, slopes, x.shape(), derivative);
            super::map2_into(derivative, &grad_output, |d, g| d * g)
        });
        let parameter = call.wants_parameter[0].then(|| {
            let below = |x: f32, g: f32| if x > 0.0 { 0.0 } else { x * g };
            summed_to(&super::map2(x, &grad_output, below), slopes.shape())
        });
        Ok(Gradients {
            inputs: vec![input],
            parameters: vec![parameter],
        })
    }

    fn reach(&self, _: usize, inputs: &[&[usize]], parameters: &[&[usize]]) -> Reach {
        if inputs[0].len() == 4 && is_flat(parameters[0]) {
            Reach::Pointwise
        } else {
            Reach::Everything
        }
    }
}
