//! Convolutions.

use dvm_engine::Tensor;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients};

use super::OnGpu;
use crate::kernels::filter::Grouped;
use crate::kernels::product::{Entries, Finish, Matrix, Sliding, product};
use crate::kernels::reduce::channel_sums;
use crate::values::Gpu;

/// The sides of a convolution.
struct Sides {
    batch: usize,
    inputs: usize,
    outputs: usize,
    map: (usize, usize),
    windows: (usize, usize),
    taps: usize,
}

impl Sides {
    fn of(op: &Conv2d, input: &[usize], output: &[usize]) -> Self {
        Self {
            batch: input[0],
            inputs: input[1],
            outputs: output[1],
            map: (input[2], input[3]),
            windows: (output[2], output[3]),
            taps: op.kernel.0 * op.kernel.1,
        }
    }

    fn windows(&self) -> usize {
        self.batch * self.windows.0 * self.windows.1
    }

    fn pixels(&self) -> usize {
        self.batch * self.map.0 * self.map.1
    }

    /// The window over the input; its other index counts the windows.
    fn sliding(&self, op: &Conv2d) -> Sliding {
        let border = op.border(self.map.0, self.map.1);
        Sliding {
            channels: self.inputs,
            map: self.map,
            pixels: self.windows,
            kernel: op.kernel,
            stride: op.stride,
            dilation: op.dilation,
            before: (border.top, border.left),
        }
    }

    fn grouped(&self, op: &Conv2d) -> Grouped {
        Grouped {
            batch: self.batch,
            groups: op.groups,
            outputs: self.outputs,
            sliding: self.sliding(op),
        }
    }

    /// Whether it multiplies each pixel with one matrix.
    fn is_pointwise(&self, op: &Conv2d) -> bool {
        self.taps == 1 && op.stride == (1, 1) && self.windows == self.map
    }
}

impl OnGpu for Conv2d {
    fn forward(&self, gpu: &Gpu, call: &ForwardCall) -> Option<ForwardResult> {
        let sides = Sides::of(self, call.inputs[0].shape(), call.output_shape);
        let (x, weight) = (gpu.of(call.inputs[0]), gpu.of(call.parameters[0]));
        let bias = call.parameters.get(1).map(|bias| gpu.of(bias));
        let residual = self.residual.then(|| gpu.of(call.inputs[1]));
        let finish = Finish {
            bias: bias.as_ref(),
            residual: residual.as_ref(),
            activation: self.activation.into(),
        };
        if self.groups > 1 {
            let y = sides.grouped(self).forward(gpu, &x, &weight, finish);
            return super::value(y, call.output_shape);
        }
        let k = sides.taps * sides.inputs;
        let patches = match sides.is_pointwise(self) {
            true => Matrix::stored(&x, [0, k, 1]),
            false => Matrix::of(&x, Entries::Patches),
        };
        let filters = Matrix::stored(&weight, [0, 1, k]);
        let size = [1, sides.windows(), sides.outputs, k];
        let y = product(gpu, (patches, filters), size, sides.sliding(self), finish);
        super::value(y, call.output_shape)
    }

    fn backward(&self, gpu: &Gpu, call: &BackwardCall, gradient: &Tensor) -> Option<Gradients> {
        if self.residual || self.activation.is_some() {
            // Fused for inference.
            return None;
        }
        let (input, filters) = (call.inputs[0], call.parameters[0]);
        let sides = Sides::of(self, input.shape(), gradient.shape());
        let g = gpu.of(gradient);
        let pointwise = sides.is_pointwise(self);
        let sliding = sides.sliding(self);
        let k = sides.taps * sides.inputs;
        let finish = Finish::default();
        let of_input = call.wants_input[0].then(|| {
            let weight = gpu.of(filters);
            if self.groups > 1 {
                return sides.grouped(self).of_input(gpu, &g, &weight);
            }
            let (a, b, depth) = match pointwise {
                true => (
                    Matrix::stored(&g, [0, sides.outputs, 1]),
                    Matrix::stored(&weight, [0, k, 1]),
                    sides.outputs,
                ),
                false => (
                    Matrix::of(&g, Entries::Reaching),
                    Matrix {
                        values: &weight,
                        entries: Entries::Filters,
                        steps: [0, k, sides.inputs],
                    },
                    sides.taps * sides.outputs,
                ),
            };
            let reaching = Sliding {
                channels: sides.outputs,
                map: sides.windows,
                pixels: sides.map,
                ..sliding
            };
            let size = [1, sides.pixels(), sides.inputs, depth];
            product(gpu, (a, b), size, reaching, finish)
        });
        let of_weight = call.wants_parameter[0].then(|| {
            let x = gpu.of(input);
            if self.groups > 1 {
                return sides.grouped(self).of_weight(gpu, &x, &g);
            }
            let patches = match pointwise {
                true => Matrix::stored(&x, [0, k, 1]),
                false => Matrix::of(&x, Entries::Patches),
            };
            let a = Matrix::stored(&g, [0, 1, sides.outputs]);
            let size = [1, sides.outputs, k, sides.windows()];
            product(gpu, (a, patches), size, sliding, finish)
        });
        let mut parameters = vec![of_weight.map(|values| values.tensor(filters.shape()))];
        if let Some(wanted) = call.wants_parameter.get(1) {
            let sums = wanted.then(|| channel_sums(gpu, &g, None, sides.outputs));
            parameters.push(sums.map(|sums| sums.tensor(&[sides.outputs])));
        }
        Some(Gradients {
            inputs: vec![of_input.map(|values| values.tensor(input.shape()))],
            parameters,
        })
    }
}
