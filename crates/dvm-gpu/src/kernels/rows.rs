//! Functions of whole rows: layer normalisation and softmax. A cube computes a row; its sums are added in a fixed
//! order.

use cubecl::prelude::*;

use crate::values::{Gpu, Values};

/// Units of a cube.
const UNITS: usize = 64;

/// The sum of the values of all units, or the largest.
#[cube]
fn together(own: f32, shared: &mut Shared<[f32]>, #[comptime] largest: bool) -> f32 {
    let unit = UNIT_POS as usize;
    shared[unit] = own;
    sync_cube();
    #[unroll]
    for level in 0..comptime!(UNITS.ilog2() as usize) {
        let half = comptime!(UNITS >> (level + 1));
        if unit < half {
            let other = shared[unit + half];
            let mine = shared[unit];
            if comptime!(largest) {
                shared[unit] = select(other > mine, other, mine);
            } else {
                shared[unit] = mine + other;
            }
        }
        sync_cube();
    }
    let found = shared[0];
    sync_cube();
    found
}

#[cube]
fn row_number() -> u32 {
    CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X
}

/// Mean and 1 / √(variance + eps) of the row that begins at `first`.
#[cube]
fn moments(
    x: &Tensor<f32>,
    first: u32,
    length: u32,
    eps: f32,
    shared: &mut Shared<[f32]>,
) -> (f32, f32) {
    let units = comptime!(UNITS as u32);
    let mut sum = 0.0f32;
    let mut at = UNIT_POS;
    while at < length {
        sum += x[(first + at) as usize];
        at += units;
    }
    let count = f32::cast_from(length);
    let mean = together(sum, shared, false) / count;
    let mut squares = 0.0f32;
    let mut at = UNIT_POS;
    while at < length {
        let off = x[(first + at) as usize] - mean;
        squares += off * off;
        at += units;
    }
    let variance = together(squares, shared, false) / count;
    (mean, 1.0f32 / (variance + eps).sqrt())
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn normalise_kernel(
    x: &Tensor<f32>,
    weight: &Tensor<f32>,
    bias: &Tensor<f32>,
    y: &mut Tensor<f32>,
    length: u32,
    rows: u32,
    eps: f32,
    #[comptime] affine: bool,
) {
    let row = row_number();
    if row < rows {
        let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS));
        let first = row * length;
        let (mean, inverse) = moments(x, first, length, eps, &mut shared);
        let mut at = UNIT_POS;
        while at < length {
            let mut value = (x[(first + at) as usize] - mean) * inverse;
            if comptime!(affine) {
                value = value * weight[at as usize] + bias[at as usize];
            }
            y[(first + at) as usize] = value;
            at += comptime!(UNITS as u32);
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn normalise_back_kernel(
    x: &Tensor<f32>,
    weight: &Tensor<f32>,
    gradient: &Tensor<f32>,
    y: &mut Tensor<f32>,
    length: u32,
    rows: u32,
    eps: f32,
) {
    let row = row_number();
    if row < rows {
        let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS));
        let first = row * length;
        let (mean, inverse) = moments(x, first, length, eps, &mut shared);
        let mut sum = 0.0f32;
        let mut products = 0.0f32;
        let mut at = UNIT_POS;
        while at < length {
            let g = gradient[(first + at) as usize] * weight[at as usize];
            sum += g;
            products += g * (x[(first + at) as usize] - mean) * inverse;
            at += comptime!(UNITS as u32);
        }
        let count = f32::cast_from(length);
        let mean_g = together(sum, &mut shared, false) / count;
        let mean_product = together(products, &mut shared, false) / count;
        let mut at = UNIT_POS;
        while at < length {
            let g = gradient[(first + at) as usize] * weight[at as usize];
            let normal = (x[(first + at) as usize] - mean) * inverse;
            y[(first + at) as usize] = inverse * (g - mean_g - normal * mean_product);
            at += comptime!(UNITS as u32);
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn softmax_kernel(
    x: &Tensor<f32>,
    bias: &Tensor<f32>,
    y: &mut Tensor<f32>,
    length: u32,
    rows: u32,
    bias_rows: u32,
    scale: f32,
    #[comptime] biased: bool,
) {
    let row = row_number();
    if row < rows {
        let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS));
        let first = row * length;
        let bias_first = (row % bias_rows) * length;
        // A unit without values of its own takes the row's first.
        let mut at = UNIT_POS;
        let mut largest = x[first as usize] * scale;
        if comptime!(biased) {
            largest += bias[bias_first as usize];
        }
        while at < length {
            let mut value = x[(first + at) as usize] * scale;
            if comptime!(biased) {
                value += bias[(bias_first + at) as usize];
            }
            largest = select(value > largest, value, largest);
            y[(first + at) as usize] = value;
            at += comptime!(UNITS as u32);
        }
        let largest = together(largest, &mut shared, true);
        let mut sum = 0.0f32;
        let mut at = UNIT_POS;
        while at < length {
            let value = (y[(first + at) as usize] - largest).exp();
            y[(first + at) as usize] = value;
            sum += value;
            at += comptime!(UNITS as u32);
        }
        let sum = together(sum, &mut shared, false);
        let mut at = UNIT_POS;
        while at < length {
            let value = y[(first + at) as usize];
            y[(first + at) as usize] = value / sum;
            at += comptime!(UNITS as u32);
        }
    }
}

#[cube(launch)]
fn softmax_back_kernel(
    p: &Tensor<f32>,
    gradient: &Tensor<f32>,
    y: &mut Tensor<f32>,
    length: u32,
    rows: u32,
    scale: f32,
) {
    let row = row_number();
    if row < rows {
        let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS));
        let first = row * length;
        let mut sum = 0.0f32;
        let mut at = UNIT_POS;
        while at < length {
            sum += p[(first + at) as usize] * gradient[(first + at) as usize];
            at += comptime!(UNITS as u32);
        }
        let sum = together(sum, &mut shared, false);
        let mut at = UNIT_POS;
        while at < length {
            let own = p[(first + at) as usize];
            y[(first + at) as usize] = own * (gradient[(first + at) as usize] - sum) * scale;
            at += comptime!(UNITS as u32);
        }
    }
}

/// Cubes along the first axis of a launch, at most.
const MOST_ALONG: usize = 32_768;

fn launched(rows: usize) -> (CubeCount, CubeDim) {
    let along = rows.clamp(1, MOST_ALONG);
    let cubes = CubeCount::Static(along as u32, rows.div_ceil(along) as u32, 1);
    (cubes, CubeDim::new_1d(UNITS as u32))
}

/// `(x − mean) / √(variance + eps)` of each row of this length, times a weight plus a bias if they are given.
pub(crate) fn normalised(
    gpu: &Gpu,
    x: &Values,
    affine: Option<(&Values, &Values)>,
    (length, eps): (usize, f32),
) -> Values {
    let rows = x.len() / length;
    let y = gpu.empty(x.len());
    let (cubes, units) = launched(rows);
    let (weight, bias) = affine.unwrap_or((x, x));
    normalise_kernel::launch(
        gpu.client(),
        cubes,
        units,
        x.arg(),
        weight.arg(),
        bias.arg(),
        y.arg(),
        length as u32,
        rows as u32,
        eps,
        affine.is_some(),
    );
    y
}

/// The gradient of the input of [`normalised`].
pub(crate) fn normalised_back(
    gpu: &Gpu,
    x: &Values,
    weight: &Values,
    gradient: &Values,
    (length, eps): (usize, f32),
) -> Values {
    let rows = x.len() / length;
    let y = gpu.empty(x.len());
    let (cubes, units) = launched(rows);
    normalise_back_kernel::launch(
        gpu.client(),
        cubes,
        units,
        x.arg(),
        weight.arg(),
        gradient.arg(),
        y.arg(),
        length as u32,
        rows as u32,
        eps,
    );
    y
}

/// The softmax of `x · scale + bias` in each row of this length; the rows of the bias repeat.
pub(crate) fn softmax(
    gpu: &Gpu,
    x: &Values,
    bias: Option<&Values>,
    (length, scale): (usize, f32),
) -> Values {
    let rows = x.len() / length;
    let y = gpu.empty(x.len());
    let (cubes, units) = launched(rows);
    softmax_kernel::launch(
        gpu.client(),
        cubes,
        units,
        x.arg(),
        bias.unwrap_or(x).arg(),
        y.arg(),
        length as u32,
        rows as u32,
        bias.map_or(1, |bias| bias.len() / length) as u32,
        scale,
        bias.is_some(),
    );
    y
}

/// The gradient of `x` in [`softmax`], given the probabilities.
pub(crate) fn softmax_back(
    gpu: &Gpu,
    probabilities: &Values,
    gradient: &Values,
    (length, scale): (usize, f32),
) -> Values {
    let rows = probabilities.len() / length;
    let y = gpu.empty(probabilities.len());
    let (cubes, units) = launched(rows);
    softmax_back_kernel::launch(
        gpu.client(),
        cubes,
        units,
        probabilities.arg(),
        gradient.arg(),
        y.arg(),
        length as u32,
        rows as u32,
        scale,
    );
    y
}
