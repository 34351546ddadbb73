//! Convolutions in groups, such as one filter per channel: each unit computes one value. Their sums are too short
//! for products of matrices.

use cubecl::prelude::*;

use crate::kernels::activation::{Activate, activate};
use crate::kernels::product::{Finish, Sliding};
use crate::kernels::reduce;
use crate::values::{Gpu, Values};

/// The numbers of a convolution.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(crate) struct Shape {
    inputs: u32,
    outputs: u32,
    /// Channels of the input and of the output in a group.
    group_inputs: u32,
    group_outputs: u32,
    height: u32,
    width: u32,
    rows: u32,
    columns: u32,
    kernel_y: u32,
    kernel_x: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    before_y: u32,
    before_x: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    bias: bool,
    residual: bool,
    activation: Activate,
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn forward_kernel(
    x: &Tensor<f32>,
    weight: &Tensor<f32>,
    bias: &Tensor<f32>,
    residual: &Tensor<f32>,
    y: &mut Tensor<f32>,
    s: &Shape,
    count: u32,
    #[comptime] form: Form,
) {
    let at = ABSOLUTE_POS as u32;
    if at < count {
        let filter = at % s.outputs;
        let rest = at / s.outputs;
        let column = rest % s.columns;
        let rest = rest / s.columns;
        let row = rest % s.rows;
        let map = rest / s.rows;
        let first_channel = (filter / s.group_outputs) * s.group_inputs;
        let bottom = s.before_y + s.height;
        let end = s.before_x + s.width;
        let mut sum = 0.0f32;
        for ky in 0..s.kernel_y {
            let down = row * s.stride_y + ky * s.dilation_y;
            if down >= s.before_y && down < bottom {
                for kx in 0..s.kernel_x {
                    let right = column * s.stride_x + kx * s.dilation_x;
                    if right >= s.before_x && right < end {
                        let pixel =
                            (map * s.height + down - s.before_y) * s.width + right - s.before_x;
                        let tap = (filter * s.kernel_y + ky) * s.kernel_x + kx;
                        let from = pixel * s.inputs + first_channel;
                        let by = tap * s.group_inputs;
                        for channel in 0..s.group_inputs {
                            sum += x[(from + channel) as usize] * weight[(by + channel) as usize];
                        }
                    }
                }
            }
        }
        if comptime!(form.bias) {
            sum += bias[filter as usize];
        }
        if comptime!(form.residual) {
            sum += residual[ABSOLUTE_POS];
        }
        y[ABSOLUTE_POS] = activate(sum, comptime!(form.activation));
    }
}

#[cube(launch)]
fn input_kernel(
    gradient: &Tensor<f32>,
    weight: &Tensor<f32>,
    y: &mut Tensor<f32>,
    s: &Shape,
    count: u32,
) {
    let at = ABSOLUTE_POS as u32;
    if at < count {
        let channel = at % s.inputs;
        let rest = at / s.inputs;
        let column = rest % s.width;
        let rest = rest / s.width;
        let row = rest % s.height;
        let map = rest / s.height;
        let group = channel / s.group_inputs;
        let own = channel % s.group_inputs;
        let mut sum = 0.0f32;
        for ky in 0..s.kernel_y {
            let down = row + s.before_y;
            let from_y = ky * s.dilation_y;
            if down >= from_y {
                let down = down - from_y;
                let window_y = down / s.stride_y;
                if window_y * s.stride_y == down && window_y < s.rows {
                    for kx in 0..s.kernel_x {
                        let right = column + s.before_x;
                        let from_x = kx * s.dilation_x;
                        if right >= from_x {
                            let right = right - from_x;
                            let window_x = right / s.stride_x;
                            if window_x * s.stride_x == right && window_x < s.columns {
                                let pixel = (map * s.rows + window_y) * s.columns + window_x;
                                let from = pixel * s.outputs + group * s.group_outputs;
                                for index in 0..s.group_outputs {
                                    let filter = group * s.group_outputs + index;
                                    let tap = (filter * s.kernel_y + ky) * s.kernel_x + kx;
                                    let by = tap * s.group_inputs + own;
                                    sum += gradient[(from + index) as usize] * weight[by as usize];
                                }
                            }
                        }
                    }
                }
            }
        }
        y[ABSOLUTE_POS] = sum;
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn weight_kernel(
    x: &Tensor<f32>,
    gradient: &Tensor<f32>,
    y: &mut Tensor<f32>,
    s: &Shape,
    weights: u32,
    pixels: u32,
    stretch: u32,
    count: u32,
) {
    let unit = ABSOLUTE_POS as u32;
    if unit < count {
        let at = unit % weights;
        let start = (unit / weights) * stretch;
        let mut end = start + stretch;
        if end > pixels {
            end = pixels;
        }
        let own = at % s.group_inputs;
        let rest = at / s.group_inputs;
        let kx = rest % s.kernel_x;
        let rest = rest / s.kernel_x;
        let ky = rest % s.kernel_y;
        let filter = rest / s.kernel_y;
        let channel = (filter / s.group_outputs) * s.group_inputs + own;
        let bottom = s.before_y + s.height;
        let right_end = s.before_x + s.width;
        let mut sum = 0.0f32;
        for pixel in start..end {
            let column = pixel % s.columns;
            let rest = pixel / s.columns;
            let row = rest % s.rows;
            let map = rest / s.rows;
            let down = row * s.stride_y + ky * s.dilation_y;
            let right = column * s.stride_x + kx * s.dilation_x;
            if down >= s.before_y && down < bottom && right >= s.before_x && right < right_end {
                let from = (map * s.height + down - s.before_y) * s.width + right - s.before_x;
                sum += x[(from * s.inputs + channel) as usize]
                    * gradient[(pixel * s.outputs + filter) as usize];
            }
        }
        y[ABSOLUTE_POS] = sum;
    }
}

/// A convolution in groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grouped {
    pub batch: usize,
    pub groups: usize,
    pub outputs: usize,
    /// Its `channels` and `map` are those of the input, its `pixels` those of the output.
    pub sliding: Sliding,
}

/// Pixels whose products one unit adds for a weight's gradient.
const STRETCH: usize = 256;

impl Grouped {
    fn launched(&self) -> ShapeLaunch {
        let s = &self.sliding;
        let [inputs, outputs] = [s.channels, self.outputs];
        let word = |value: usize| value as u32;
        ShapeLaunch::new(
            word(inputs),
            word(outputs),
            word(inputs / self.groups),
            word(outputs / self.groups),
            word(s.map.0),
            word(s.map.1),
            word(s.pixels.0),
            word(s.pixels.1),
            word(s.kernel.0),
            word(s.kernel.1),
            word(s.stride.0),
            word(s.stride.1),
            word(s.dilation.0),
            word(s.dilation.1),
            word(s.before.0),
            word(s.before.1),
        )
    }

    fn pixels(&self) -> usize {
        self.batch * self.sliding.pixels.0 * self.sliding.pixels.1
    }

    pub fn forward(&self, gpu: &Gpu, x: &Values, weight: &Values, finish: Finish) -> Values {
        let count = self.pixels() * self.outputs;
        let y = gpu.empty(count);
        let (cubes, units) = gpu.units(count);
        forward_kernel::launch(
            gpu.client(),
            cubes,
            units,
            x.arg(),
            weight.arg(),
            finish.bias.unwrap_or(x).arg(),
            finish.residual.unwrap_or(x).arg(),
            y.arg(),
            self.launched(),
            count as u32,
            Form {
                bias: finish.bias.is_some(),
                residual: finish.residual.is_some(),
                activation: finish.activation,
            },
        );
        y
    }

    /// The gradient of the input.
    pub fn of_input(&self, gpu: &Gpu, gradient: &Values, weight: &Values) -> Values {
        let s = &self.sliding;
        let count = self.batch * s.map.0 * s.map.1 * s.channels;
        let y = gpu.empty(count);
        let (cubes, units) = gpu.units(count);
        let (gradient, weight) = (gradient.arg(), weight.arg());
        let shape = self.launched();
        input_kernel::launch(
            gpu.client(),
            cubes,
            units,
            gradient,
            weight,
            y.arg(),
            shape,
            count as u32,
        );
        y
    }

    /// The gradient of the weight.
    pub fn of_weight(&self, gpu: &Gpu, x: &Values, gradient: &Values) -> Values {
        let s = &self.sliding;
        let weights = self.outputs * s.kernel.0 * s.kernel.1 * (s.channels / self.groups);
        let pixels = self.pixels();
        let stretches = pixels.div_ceil(STRETCH).max(1);
        let count = weights * stretches;
        let parts = gpu.empty(count);
        let (cubes, units) = gpu.units(count);
        weight_kernel::launch(
            gpu.client(),
            cubes,
            units,
            x.arg(),
            gradient.arg(),
            parts.arg(),
            self.launched(),
            weights as u32,
            pixels as u32,
            STRETCH as u32,
            count as u32,
        );
        match stretches {
            1 => parts,
            _ => reduce::of_stretches(gpu, &parts, weights, stretches),
        }
    }
}
