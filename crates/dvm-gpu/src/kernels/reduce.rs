//! Sums and largest values along axes. A long sum is split into stretches of a fixed length, whose sums are added
//! in order.

use cubecl::prelude::*;

use crate::kernels::activation::activate;
use crate::kernels::copy::{View, position, sequence};
use crate::kernels::product::Finish;
use crate::values::{Gpu, Values};

/// What is computed from the values along the reduced axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum How {
    Sum,
    /// The sum of the products with a second array.
    SumOfProducts,
    Largest,
}

/// Values of a sum that one unit adds.
const STRETCH: usize = 512;

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn reduce_kernel(
    a: &Tensor<f32>,
    b: &Tensor<f32>,
    y: &mut Tensor<f32>,
    kept: Sequence<u32>,
    kept_a: Sequence<u32>,
    kept_b: Sequence<u32>,
    reduced: Sequence<u32>,
    reduced_a: Sequence<u32>,
    reduced_b: Sequence<u32>,
    results: u32,
    length: u32,
    stretch: u32,
    count: u32,
    #[comptime] how: How,
) {
    let unit = ABSOLUTE_POS as u32;
    if unit < count {
        let result = unit % results;
        let start = (unit / results) * stretch;
        let mut end = start + stretch;
        if end > length {
            end = length;
        }
        let first_a = position(result, &kept, &kept_a);
        let first_b = position(result, &kept, &kept_b);
        let mut found = 0.0f32;
        if comptime!(how == How::Largest) {
            found = a[(first_a + position(start, &reduced, &reduced_a)) as usize];
        }
        for at in start..end {
            let value = a[(first_a + position(at, &reduced, &reduced_a)) as usize];
            match comptime!(how) {
                How::Sum => found += value,
                How::SumOfProducts => {
                    found += value * b[(first_b + position(at, &reduced, &reduced_b)) as usize];
                }
                How::Largest => found = select(value > found, value, found),
            }
        }
        y[ABSOLUTE_POS] = found;
    }
}

/// Axes with their lengths and the steps of one or two arrays along them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Axes {
    pub shape: Vec<usize>,
    pub a: Vec<usize>,
    pub b: Vec<usize>,
}

impl Axes {
    /// The axes of a shape for which `chosen` holds, of two arrays with these views.
    pub fn chosen(shape: &[usize], (a, b): (&View, &View), chosen: impl Fn(usize) -> bool) -> Self {
        let axes: Vec<usize> = (0..shape.len()).filter(|&axis| chosen(axis)).collect();
        let pick = |from: &[usize]| axes.iter().map(|&axis| from[axis]).collect();
        Self {
            shape: pick(shape),
            a: pick(&a.steps),
            b: pick(&b.steps),
        }
    }

    fn one(length: usize, step: usize) -> Self {
        Self {
            shape: vec![length],
            a: vec![step],
            b: vec![step],
        }
    }
}

/// One result for each position along the kept axes, in row-major order of these.
pub(crate) fn reduced(
    gpu: &Gpu,
    (a, b): (&Values, &Values),
    kept: &Axes,
    reduced: &Axes,
    how: How,
) -> Values {
    let results: usize = kept.shape.iter().product();
    let length: usize = reduced.shape.iter().product();
    let stretches = length.div_ceil(STRETCH).max(1);
    let count = results * stretches;
    let y = gpu.empty(count);
    let (cubes, units) = gpu.units(count);
    reduce_kernel::launch(
        gpu.client(),
        cubes,
        units,
        a.arg(),
        b.arg(),
        y.arg(),
        sequence(&kept.shape),
        sequence(&kept.a),
        sequence(&kept.b),
        sequence(&reduced.shape),
        sequence(&reduced.a),
        sequence(&reduced.b),
        results as u32,
        length as u32,
        STRETCH as u32,
        count as u32,
        how,
    );
    if stretches == 1 {
        return y;
    }
    let how = match how {
        How::SumOfProducts => How::Sum,
        other => other,
    };
    self::reduced(
        gpu,
        (&y, &y),
        &Axes::one(results, 1),
        &Axes::one(stretches, results),
        how,
    )
}

/// The sums of `[stretches, results]` over the stretches.
pub(crate) fn of_stretches(gpu: &Gpu, parts: &Values, results: usize, stretches: usize) -> Values {
    let (kept, summed) = (Axes::one(results, 1), Axes::one(stretches, results));
    reduced(gpu, (parts, parts), &kept, &summed, How::Sum)
}

/// For each channel, the sum over all positions of rows of `channels` values, or of their products with those of a
/// second array.
pub(crate) fn channel_sums(gpu: &Gpu, a: &Values, b: Option<&Values>, channels: usize) -> Values {
    let kept = Axes::one(channels, 1);
    let rows = Axes::one(a.len() / channels, channels);
    let how = match b {
        Some(_) => How::SumOfProducts,
        None => How::Sum,
    };
    reduced(gpu, (a, b.unwrap_or(a)), &kept, &rows, how)
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn stretches_kernel(
    parts: &Tensor<f32>,
    bias: &Tensor<f32>,
    residual: &Tensor<f32>,
    y: &mut Tensor<f32>,
    stretches: u32,
    results: u32,
    columns: u32,
    count: u32,
    #[comptime] form: StretchForm,
) {
    let at = ABSOLUTE_POS as u32;
    if at < count {
        let first = (at / results) * stretches * results + at % results;
        let mut sum = 0.0f32;
        for part in 0..stretches {
            sum += parts[(first + part * results) as usize];
        }
        if comptime!(form.bias) {
            sum += bias[(at % columns) as usize];
        }
        if comptime!(form.residual) {
            sum += residual[ABSOLUTE_POS];
        }
        y[ABSOLUTE_POS] = activate(sum, comptime!(form.activation));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StretchForm {
    bias: bool,
    residual: bool,
    activation: crate::kernels::activation::Activate,
}

/// The sums of `[count, stretches, results]` over the stretches, finished like those of a product with this many
/// columns.
pub(crate) fn stretches(
    gpu: &Gpu,
    parts: &Values,
    [count, stretches, results]: [usize; 3],
    columns: usize,
    finish: Finish,
) -> Values {
    let y = gpu.empty(count * results);
    let (cubes, units) = gpu.units(count * results);
    stretches_kernel::launch(
        gpu.client(),
        cubes,
        units,
        parts.arg(),
        finish.bias.unwrap_or(parts).arg(),
        finish.residual.unwrap_or(parts).arg(),
        y.arg(),
        stretches as u32,
        results as u32,
        columns as u32,
        (count * results) as u32,
        StretchForm {
            bias: finish.bias.is_some(),
            residual: finish.residual.is_some(),
            activation: finish.activation,
        },
    );
    y
}
