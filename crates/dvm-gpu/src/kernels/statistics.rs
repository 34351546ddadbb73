//! The small steps of batch normalisation: one value per channel.

use cubecl::prelude::*;

use crate::values::{Gpu, Values};

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn affine_kernel(
    sums: &Tensor<f32>,
    squares: &Tensor<f32>,
    weight: &Tensor<f32>,
    bias: &Tensor<f32>,
    running_mean: &Tensor<f32>,
    running_variance: &Tensor<f32>,
    found: &mut Tensor<f32>,
    channels: u32,
    count: f32,
    eps: f32,
    momentum: f32,
) {
    let c = ABSOLUTE_POS as u32;
    if c < channels {
        let at = c as usize;
        let mean = sums[at] / count;
        let variance = squares[at] / count;
        let inverse = 1.0f32 / (variance + eps).sqrt();
        let factor = weight[at] * inverse;
        let fewer = select(count > 1.0f32, count - 1.0f32, 1.0f32);
        let kept = 1.0f32 - momentum;
        found[at] = mean;
        found[(channels + c) as usize] = inverse;
        found[(channels * 2u32 + c) as usize] = factor;
        found[(channels * 3u32 + c) as usize] = bias[at] - mean * factor;
        found[(channels * 4u32 + c) as usize] = kept * running_mean[at] + momentum * mean;
        found[(channels * 5u32 + c) as usize] =
            kept * running_variance[at] + momentum * squares[at] / fewer;
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn slopes_kernel(
    weight: &Tensor<f32>,
    mean: &Tensor<f32>,
    inverse: &Tensor<f32>,
    sums: &Tensor<f32>,
    products: &Tensor<f32>,
    found: &mut Tensor<f32>,
    channels: u32,
    count: f32,
) {
    let c = ABSOLUTE_POS as u32;
    if c < channels {
        let at = c as usize;
        let factor = weight[at] * inverse[at];
        // g·γ/σ − γ/(σ·count)·(Σg + x̂·Σ(g·x̂)): the batch statistics depend on x.
        let slope = -factor / count * products[at] * inverse[at] * inverse[at];
        found[at] = factor;
        found[(channels + c) as usize] = slope;
        found[(channels * 2u32 + c) as usize] = -factor / count * sums[at] - slope * mean[at];
        found[(channels * 3u32 + c) as usize] = products[at] * inverse[at];
    }
}

#[cube(launch)]
fn divided_kernel(x: &Tensor<f32>, y: &mut Tensor<f32>, by: f32, count: u32) {
    if (ABSOLUTE_POS as u32) < count {
        y[ABSOLUTE_POS] = x[ABSOLUTE_POS] / by;
    }
}

/// `x / by`, value by value.
pub(crate) fn divided(gpu: &Gpu, x: &Values, by: f32) -> Values {
    let y = gpu.empty(x.len());
    let (cubes, units) = gpu.units(x.len());
    divided_kernel::launch(
        gpu.client(),
        cubes,
        units,
        x.arg(),
        y.arg(),
        by,
        x.len() as u32,
    );
    y
}

/// What follows from the statistics of a batch.
pub(crate) struct Batch {
    pub mean: Values,
    /// 1 / √(variance + eps).
    pub inverse: Values,
    pub factor: Values,
    pub shift: Values,
    /// The running statistics after the step.
    pub running: [Values; 2],
}

/// The normalisation of a batch, from the sums of its values and of their squared distances from the mean.
pub(crate) fn of_batch(
    gpu: &Gpu,
    [sums, squares]: [&Values; 2],
    [weight, bias, mean, variance]: [&Values; 4],
    (count, eps, momentum): (usize, f32, f32),
) -> Batch {
    let channels = sums.len();
    let found = gpu.empty(6 * channels);
    let (cubes, units) = gpu.units(channels);
    affine_kernel::launch(
        gpu.client(),
        cubes,
        units,
        sums.arg(),
        squares.arg(),
        weight.arg(),
        bias.arg(),
        mean.arg(),
        variance.arg(),
        found.arg(),
        channels as u32,
        count as f32,
        eps,
        momentum,
    );
    let [mean, inverse, factor, shift, running_mean, running_variance] =
        parts(gpu, &found, channels);
    Batch {
        mean,
        inverse,
        factor,
        shift,
        running: [running_mean, running_variance],
    }
}

/// The gradient at the input is `g · factor + x · slope + shift`.
pub(crate) struct Slopes {
    pub factor: Values,
    pub slope: Values,
    pub shift: Values,
    /// The gradient of the weight.
    pub of_weight: Values,
}

/// The slopes of a batch's normalisation, from the sums of the gradients and of their products with the distances
/// from the mean.
pub(crate) fn slopes(
    gpu: &Gpu,
    [weight, mean, inverse]: [&Values; 3],
    [sums, products]: [&Values; 2],
    count: usize,
) -> Slopes {
    let channels = sums.len();
    let found = gpu.empty(4 * channels);
    let (cubes, units) = gpu.units(channels);
    slopes_kernel::launch(
        gpu.client(),
        cubes,
        units,
        weight.arg(),
        mean.arg(),
        inverse.arg(),
        sums.arg(),
        products.arg(),
        found.arg(),
        channels as u32,
        count as f32,
    );
    let [factor, slope, shift, of_weight] = parts(gpu, &found, channels);
    Slopes {
        factor,
        slope,
        shift,
        of_weight,
    }
}

/// The parts of this length.
fn parts<const N: usize>(gpu: &Gpu, values: &Values, len: usize) -> [Values; N] {
    use crate::kernels::copy::{View, copy};
    std::array::from_fn(|part| {
        let to = gpu.empty(len);
        let view = |first| View {
            first,
            steps: vec![1],
        };
        copy(gpu, (values, &view(part * len)), (&to, &view(0)), &[len]);
        to
    })
}
