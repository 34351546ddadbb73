//! Pools.

use dvm_engine::Tensor;
use dvm_engine::ops::pool::{Pool, Reduction};
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients};

use super::OnGpu;
use crate::kernels::pool::{Kind, Pooling};
use crate::values::Gpu;

fn pooling(op: &Pool, shape: &[usize]) -> Option<Pooling> {
    let &[batch, channels, h, w] = shape else {
        return None;
    };
    let (rows, columns) = op.axes(h, w).ok()?;
    let kind = match op.reduction {
        Reduction::Max => Kind::Largest,
        Reduction::Mean {
            count_padding: false,
        } => Kind::Mean,
        Reduction::Mean {
            count_padding: true,
        } => Kind::PaddedMean,
    };
    Some(Pooling {
        kind,
        batch,
        channels,
        map: (h, w),
        rows,
        columns,
    })
}

impl OnGpu for Pool {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let pooling = pooling(self, call.inputs[0].shape())?;
        super::value(
            pooling.forward(gpu, &gpu.of(call.inputs[0])),
            call.output_shape,
        )
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        let shape = call.inputs[0].shape();
        let pooling = pooling(self, shape)?;
        let g = gpu.of(gradient);
        let found = match pooling.kind {
            Kind::Largest => {
                let x = gpu.of(call.inputs[0]);
                // The value may have been released.
                let y = pooling.forward(gpu, &x);
                pooling.backward(gpu, Some((&x, &y)), &g)
            }
            Kind::Mean | Kind::PaddedMean => pooling.backward(gpu, None, &g),
        };
        super::gradient(found, shape)
    }
}
