//! Ops that are random in training. The CPU draws the same masks for the same seed on every device.

use dvm_engine::Tensor;
use dvm_engine::ops::dropout::Dropout;
use dvm_engine::ops::stochastic_depth::StochasticDepth;
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients, Mode, Op};

use super::OnGpu;
use crate::kernels::copy::View;
use crate::kernels::pointwise::{Pair, paired, paired_stretched};
use crate::values::{Gpu, Values};

/// What the op's own code draws for values of this shape.
fn drawn(op: &dyn Op, call: &ForwardCall, shape: &[usize]) -> Vec<Tensor> {
    let ones = Tensor::full(shape, 1.0);
    let call = ForwardCall {
        inputs: &[&ones],
        parameters: call.parameters,
        prepared: call.prepared,
        output_shape: shape,
        ..*call
    };
    op.forward(&call).saved
}

impl OnGpu for Dropout {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let x = call.inputs[0];
        if call.mode == Mode::Inference {
            return Some(x.clone().into());
        }
        let saved = drawn(self, call, x.shape());
        let y = paired(gpu, &gpu.of(x), &gpu.of(&saved[0]), Pair::Multiply);
        Some(ForwardResult {
            value: y.tensor(x.shape()),
            saved,
            statistics: Vec::new(),
        })
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let [mask] = call.saved else {
            return Some(Gradients::input(gradient.clone()));
        };
        let found = paired(gpu, &gpu.of(gradient), &gpu.of(mask), Pair::Multiply);
        super::gradient(found, gradient.shape())
    }
}

/// Each picture's values times its factor.
fn scaled(gpu: &Gpu, x: &Tensor, factors: &Tensor) -> Values {
    let shape = [factors.len(), x.len() / factors.len().max(1)];
    let by_picture = View {
        first: 0,
        steps: vec![1, 0],
    };
    let (x, factors) = (gpu.of(x), gpu.of(factors));
    let views = ((&x, &View::of(&shape)), (&factors, &by_picture));
    paired_stretched(gpu, views.0, views.1, &shape, Pair::Multiply)
}

impl OnGpu for StochasticDepth {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let x = call.inputs[0];
        if call.mode == Mode::Inference {
            return Some(x.clone().into());
        }
        let saved = drawn(self, call, &[x.shape()[0]]);
        Some(ForwardResult {
            value: scaled(gpu, x, &saved[0]).tensor(x.shape()),
            saved,
            statistics: Vec::new(),
        })
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let [factors] = call.saved else {
            return Some(Gradients::input(gradient.clone()));
        };
        super::gradient(scaled(gpu, gradient, factors), gradient.shape())
    }
}
