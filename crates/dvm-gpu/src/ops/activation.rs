//! Activations, other functions of one number, and the rules of guided backprop and deconvnet.

use std::any::Any;

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::ops::unary::Unary;
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients, Needs, Op};
use dvm_engine::rules::{Rectified, Rule};
use dvm_engine::{Node, Tensor};

use super::{OnGpu, summed_to};
use crate::kernels::copy::View;
use crate::kernels::pointwise::{Back, Pair, activated, activated_back, paired, paired_stretched};
use crate::kernels::unary;
use crate::values::{Gpu, Values};

impl OnGpu for Activation {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let x = gpu.of(call.inputs[0]);
        super::value(activated(gpu, &x, (*self).into()), call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        // Of a clamp only the value may be left; its derivative is the same there.
        let at = match self.needs() == Needs::OUTPUT {
            true => call.output,
            false => call.inputs[0],
        };
        let values = (&gpu.of(at), &gpu.of(gradient));
        let found = activated_back(gpu, values, (*self).into(), Back::True);
        super::gradient(found, gradient.shape())
    }
}

/// The gradients by a rule; `None` if the CPU must compute them.
pub(crate) fn by_rule(
    gpu: &Gpu,
    (rule, node): (&dyn Rule, &Node),
    call: &BackwardCall,
    gradient: &Tensor,
) -> Option<Vec<Option<Tensor>>> {
    let rule: &dyn Any = rule;
    let back = match rule.downcast_ref::<Rectified>()? {
        Rectified::Guided => Back::Guided,
        Rectified::Deconvnet => Back::Deconvnet,
    };
    let activation = node.op_as::<Activation>()?;
    let values = (&gpu.of(call.inputs[0]), &gpu.of(gradient));
    let found = activated_back(gpu, values, (*activation).into(), back);
    Some(vec![Some(found.tensor(gradient.shape()))])
}

impl OnGpu for PRelu {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let y = with_slopes(gpu, call.inputs[0], call.parameters[0], Pair::Leaky);
        super::value(y, call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let (x, slopes) = (call.inputs[0], call.parameters[0]);
        let (shape, g) = (gradient.shape(), gpu.of(gradient));
        let of_input = call.wants_input[0].then(|| {
            let derivative = with_slopes(gpu, x, slopes, Pair::LeakySlope);
            paired(gpu, &derivative, &g, Pair::Multiply).tensor(shape)
        });
        let of_slopes = call.wants_parameter[0].then(|| {
            let below = paired(gpu, &gpu.of(x), &g, Pair::Below);
            summed_to(gpu, &below, shape, slopes.shape()).tensor(slopes.shape())
        });
        Some(Gradients {
            inputs: vec![of_input],
            parameters: vec![of_slopes],
        })
    }
}

fn with_slopes(gpu: &Gpu, x: &Tensor, slopes: &Tensor, pair: Pair) -> Values {
    let shape = x.shape();
    paired_stretched(
        gpu,
        (&gpu.of(x), &View::of(shape)),
        (&gpu.of(slopes), &View::stretched(slopes.shape(), shape)),
        shape,
        pair,
    )
}

impl OnGpu for Unary {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let x = gpu.of(call.inputs[0]);
        super::value(unary::value(gpu, &x, *self), call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let (x, g) = (gpu.of(call.inputs[0]), gpu.of(gradient));
        super::gradient(unary::gradient(gpu, &x, &g, *self), gradient.shape())
    }
}
