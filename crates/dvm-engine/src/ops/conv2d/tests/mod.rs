//! Every kernel with every instruction set of this machine, against plain sums in f64.

mod depthwise;
mod direct;
mod exact;
mod gradients;
mod weights;
mod winograd;

use super::*;
use crate::ops::Mode;
use crate::seeded;

/// Largest difference of a direct sum from the one in f64, relative to the largest. Measured: 9e-7, for up to
/// 1960 products.
const DIRECT: f64 = 2e-6;

/// A convolution whose input is seeded by its description, and whose weights are seeded by their shape alone:
/// layers that differ only in padding or input size have the same weights.
#[derive(Clone, Debug)]
struct Layer {
    conv: Conv2d,
    /// `[N, C, H, W]` of the input.
    maps: [usize; 4],
    outputs: usize,
    bias: bool,
}

impl Layer {
    fn seeded(&self, what: &str, shape: &[usize]) -> Tensor {
        seeded_tensor(&format!("{what} of {self:?}"), shape)
    }

    fn input(&self) -> Tensor {
        self.seeded("input", &self.maps)
    }

    fn residual(&self) -> Tensor {
        self.seeded("residual", &self.output_shape())
    }

    /// The weight and, for some layers, a bias.
    fn parameters(&self) -> Vec<Tensor> {
        let (kh, kw) = self.conv.kernel;
        let shape = [self.outputs, self.maps[1] / self.conv.groups, kh, kw];
        let mut parameters = vec![seeded_tensor(&format!("weight {shape:?}"), &shape)];
        if self.bias {
            parameters.push(seeded_tensor(&format!("bias {shape:?}"), &shape[..1]));
        }
        parameters
    }

    fn output_shape(&self) -> [usize; 4] {
        let plain = Conv2d {
            residual: false,
            ..self.conv.clone()
        };
        let (kh, kw) = plain.kernel;
        let weight = [self.outputs, self.maps[1] / plain.groups, kh, kw];
        let shape = plain.output_shape(&[&self.maps], &[&weight]);
        let shape = shape.unwrap_or_else(|error| panic!("{self:?} {error}"));
        shape.try_into().expect("maps have four axes")
    }

    /// The op's output for this input and `prepared`.
    fn output_of(&self, x: &Tensor, prepared: &Prepared, arithmetic: Arithmetic) -> Tensor {
        let residual = self.conv.residual.then(|| self.residual());
        let inputs: Vec<&Tensor> = [x].into_iter().chain(&residual).collect();
        let parameters = self.parameters();
        let call = ForwardCall {
            inputs: &inputs,
            parameters: &parameters.iter().collect::<Vec<_>>(),
            prepared: Some(prepared),
            output_shape: &self.output_shape(),
            mode: Mode::Inference,
            arithmetic,
            random_stream: 1,
        };
        self.conv.forward(&call).value
    }

    fn output(&self, set: InstructionSet, arithmetic: Arithmetic) -> Tensor {
        self.output_of(&self.input(), &prepared(set), arithmetic)
    }

    fn grad_output(&self) -> Tensor {
        self.seeded("gradient of the output", &self.output_shape())
    }

    /// The gradient of the input, computed by the op.
    fn input_gradient(&self, prepared: &Prepared, arithmetic: Arithmetic) -> Tensor {
        let mut gradients = self.gradients(prepared, arithmetic, (true, false));
        gradients.inputs.remove(0).expect("was requested")
    }

    /// The gradient of the weight, computed by the op.
    fn weight_gradient(&self, prepared: &Prepared, arithmetic: Arithmetic) -> Tensor {
        let mut gradients = self.gradients(prepared, arithmetic, (false, true));
        gradients.parameters.remove(0).expect("was requested")
    }

    fn gradients(
        &self,
        prepared: &Prepared,
        arithmetic: Arithmetic,
        (input, weight): (bool, bool),
    ) -> Gradients {
        let parameters = self.parameters();
        let call = BackwardCall {
            inputs: &[&self.input()],
            parameters: &parameters.iter().collect::<Vec<_>>(),
            prepared: Some(prepared),
            output: &Tensor::zeros(&self.output_shape()),
            saved: &[],
            mode: Mode::Inference,
            arithmetic,
            wants_input: &[input],
            wants_parameter: &[weight, false],
        };
        let gradients = self.conv.backward(&call, self.grad_output());
        gradients.expect("it is not fused")
    }

    /// Calls `visit(position in the input, position in the weight, output channel)` for every
    /// product of one output pixel.
    fn products(
        &self,
        (map, y, x): (usize, usize, usize),
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        let Conv2d {
            kernel: (kh, kw),
            stride,
            dilation,
            groups,
            ..
        } = self.conv;
        let [_, c, h, w] = self.maps;
        let (group_in, group_out) = (c / groups, self.outputs / groups);
        let (top, left) = self.before();
        for ky in 0..kh {
            for kx in 0..kw {
                let at = (
                    (y * stride.0 + ky * dilation.0).checked_sub(top),
                    (x * stride.1 + kx * dilation.1).checked_sub(left),
                );
                let (Some(iy), Some(ix)) = at else { continue };
                if iy >= h || ix >= w {
                    continue;
                }
                for o in 0..self.outputs {
                    let pixel = ((map * h + iy) * w + ix) * c + o / group_out * group_in;
                    let tap = ((o * kh + ky) * kw + kx) * group_in;
                    for i in 0..group_in {
                        visit(pixel + i, tap + i, o);
                    }
                }
            }
        }
    }

    /// Rows above and columns to the left of the input that count as zeros.
    fn before(&self) -> (usize, usize) {
        let [_, _, h, w] = self.maps;
        let same = |length: usize, kernel: usize, dilation: usize, stride: usize| {
            let outputs = length.div_ceil(stride);
            ((outputs - 1) * stride + dilation * (kernel - 1) + 1).saturating_sub(length) / 2
        };
        let Conv2d {
            kernel: k,
            dilation: d,
            stride: s,
            ..
        } = self.conv;
        match self.conv.padding {
            Padding::Fixed(border) => (border.top, border.left),
            Padding::Same => (same(h, k.0, d.0, s.0), same(w, k.1, d.1, s.1)),
        }
    }

    /// All output pixels, as stored in memory.
    fn pixels(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let [n, _, oh, ow] = self.output_shape();
        (0..n * oh * ow).map(move |pixel| (pixel / (oh * ow), pixel / ow % oh, pixel % ow))
    }

    /// Every `step`-th pixel of the output in f64, with all fused ops.
    fn expected(&self, step: usize) -> Expected {
        let (x, parameters, residual) = (self.input(), self.parameters(), self.residual());
        let weight = parameters[0].data();
        let (mut values, mut largest) = (Vec::new(), 0.0f64);
        for (index, pixel) in self.pixels().enumerate().step_by(step) {
            let mut sums = vec![0.0; self.outputs];
            self.products(pixel, |i, w, o| {
                sums[o] += f64::from(x.data()[i]) * f64::from(weight[w]);
            });
            for (o, sum) in sums.iter_mut().enumerate() {
                if let Some(bias) = parameters.get(1) {
                    *sum += f64::from(bias.data()[o]);
                }
                if self.conv.residual {
                    *sum += f64::from(residual.data()[index * self.outputs + o]);
                }
                largest = largest.max(sum.abs());
                *sum = activated(self.conv.activation, *sum);
            }
            values.extend(sums);
        }
        Expected { values, largest }
    }

    /// The gradient of the input in f64.
    fn expected_gradient(&self) -> Expected {
        let (parameters, grad) = (self.parameters(), self.grad_output());
        let mut values = vec![0.0f64; self.maps.iter().product()];
        for (index, pixel) in self.pixels().enumerate() {
            let grad = &grad.data()[index * self.outputs..][..self.outputs];
            self.products(pixel, |i, w, o| {
                values[i] += f64::from(grad[o]) * f64::from(parameters[0].data()[w]);
            });
        }
        let largest = values.iter().fold(0.0, |most, v| v.abs().max(most));
        Expected { values, largest }
    }
}

impl Layer {
    /// The gradient of the weight in f64.
    fn expected_weight_gradient(&self) -> Expected {
        let (x, grad) = (self.input(), self.grad_output());
        let mut values = vec![0.0f64; self.parameters()[0].len()];
        for (index, pixel) in self.pixels().enumerate() {
            let grad = &grad.data()[index * self.outputs..][..self.outputs];
            self.products(pixel, |i, w, o| {
                values[w] += f64::from(grad[o]) * f64::from(x.data()[i]);
            });
        }
        let largest = values.iter().fold(0.0, |most, v| v.abs().max(most));
        Expected { values, largest }
    }
}

/// The expected values, in f64.
struct Expected {
    values: Vec<f64>,
    /// The largest sum before the activation: the error is relative to it.
    largest: f64,
}

impl Expected {
    /// The largest difference, relative to the largest sum, or to 1 (a single term) where all sums
    /// are smaller.
    fn error_of(&self, found: &[f32]) -> f64 {
        assert_eq!(found.len(), self.values.len());
        let off = |(&f, &e): (&f32, &f64)| (f64::from(f) - e).abs() / self.largest.max(1.0);
        // Not `f64::max`, which would drop a NaN.
        let worse = |a: f64, b: f64| if a >= b { a } else { b };
        found.iter().zip(&self.values).map(off).fold(0.0, worse)
    }
}

fn seeded_tensor(name: &str, shape: &[usize]) -> Tensor {
    let len = shape.iter().product();
    Tensor::from_stored(shape, seeded::uniform(name, len, -1.0, 1.0))
}

/// The op's packed weights if these were the best instructions.
fn prepared(set: InstructionSet) -> Prepared {
    Box::new(Filters::new(set))
}

/// The fused activations, in f64.
fn activated(activation: Option<Activation>, x: f64) -> f64 {
    match activation {
        None => x,
        Some(Activation::Relu) => x.max(0.0),
        Some(Activation::Relu6) => x.clamp(0.0, 6.0),
        Some(Activation::Silu) => x / (1.0 + (-x).exp()),
        Some(Activation::Gelu) => 0.5 * x * libm::erfc(-x / 2f64.sqrt()),
        Some(Activation::LeakyRelu(slope)) => x.max(0.0) + f64::from(slope) * x.min(0.0),
        Some(other) => panic!("{other:?} is not tested here"),
    }
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.data().iter().map(|v| v.to_bits()).collect()
}

/// Random numbers seeded by a name.
struct Draw(Vec<f32>);

impl Draw {
    fn new(test: &str, round: usize) -> Self {
        Self(seeded::unit(&format!("{test}, round {round}"), 40))
    }

    /// A whole number from `low` to `high`, inclusive.
    fn number(&mut self, low: usize, high: usize) -> usize {
        let unit = self.0.pop().expect("too many numbers were drawn");
        low + (f64::from(unit) * (high - low + 1) as f64) as usize
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.number(0, choices.len() - 1)].clone()
    }

    fn flag(&mut self) -> bool {
        self.number(0, 1) == 1
    }

    /// The same convolution with random fused ops, or none.
    fn fused(&mut self, conv: Conv2d) -> Conv2d {
        let activations = [
            None,
            Some(Activation::Relu),
            Some(Activation::Relu6),
            Some(Activation::Silu),
            Some(Activation::Gelu),
            Some(Activation::LeakyRelu(0.1)),
        ];
        Conv2d {
            residual: self.flag(),
            activation: self.one_of(&activations),
            ..conv
        }
    }

    /// A border no wider than `most` on any side.
    fn border(&mut self, most: usize) -> Padding {
        Padding::Fixed(Border {
            top: self.number(0, most),
            left: self.number(0, most),
            bottom: self.number(0, most),
            right: self.number(0, most),
        })
    }
}
