//! Pools. The windows along an axis are a table, made on the CPU.

use cubecl::prelude::*;
use dvm_engine::ops::pool::Span;

use crate::values::{Gpu, Values};

/// How a window becomes one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Largest,
    /// The mean of the pixels inside the map.
    Mean,
    /// The mean in which padding counts as zeros.
    PaddedMean,
}

/// Numbers in a table for each window: the first pixel inside the map, the end, the padded length.
const WINDOW: u32 = 3;

#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(crate) struct Shape {
    channels: u32,
    height: u32,
    width: u32,
    rows: u32,
    columns: u32,
    count: u32,
}

#[cube]
fn number(table: &Tensor<f32>, window: u32, #[comptime] which: u32) -> u32 {
    u32::cast_from(table[(window * WINDOW + which) as usize])
}

#[cube(launch)]
fn forward_kernel(
    x: &Tensor<f32>,
    rows: &Tensor<f32>,
    columns: &Tensor<f32>,
    y: &mut Tensor<f32>,
    s: &Shape,
    #[comptime] kind: Kind,
) {
    let at = ABSOLUTE_POS as u32;
    if at < s.count {
        let channel = at % s.channels;
        let rest = at / s.channels;
        let column = rest % s.columns;
        let rest = rest / s.columns;
        let row = rest % s.rows;
        let map = rest / s.rows;
        let top = number(rows, row, 0u32);
        let bottom = number(rows, row, 1u32);
        let left = number(columns, column, 0u32);
        let right = number(columns, column, 1u32);
        let first = map * s.height * s.width * s.channels + channel;
        let mut found = 0.0f32;
        if comptime!(kind == Kind::Largest) {
            found = x[(first + (top * s.width + left) * s.channels) as usize];
        }
        for v in top..bottom {
            for u in left..right {
                let value = x[(first + (v * s.width + u) * s.channels) as usize];
                if comptime!(kind == Kind::Largest) {
                    // NaN wins, so that it is not hidden.
                    found = select(value > found || value.is_nan(), value, found);
                } else {
                    found += value;
                }
            }
        }
        if comptime!(kind == Kind::Mean) {
            found /= f32::cast_from((bottom - top) * (right - left));
        }
        if comptime!(kind == Kind::PaddedMean) {
            found /= f32::cast_from(number(rows, row, 2u32) * number(columns, column, 2u32));
        }
        y[ABSOLUTE_POS] = found;
    }
}

/// `row_cover` and `column_cover` are the first window over each pixel and the end of those over it.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn backward_kernel(
    x: &Tensor<f32>,
    y: &Tensor<f32>,
    gradient: &Tensor<f32>,
    rows: &Tensor<f32>,
    columns: &Tensor<f32>,
    row_cover: &Tensor<f32>,
    column_cover: &Tensor<f32>,
    found: &mut Tensor<f32>,
    s: &Shape,
    #[comptime] kind: Kind,
) {
    let at = ABSOLUTE_POS as u32;
    if at < s.count {
        let channel = at % s.channels;
        let rest = at / s.channels;
        let u = rest % s.width;
        let rest = rest / s.width;
        let v = rest % s.height;
        let map = rest / s.height;
        let first = map * s.height * s.width * s.channels + channel;
        let mut sum = 0.0f32;
        let first_row = u32::cast_from(row_cover[(v * 2u32) as usize]);
        let end_row = u32::cast_from(row_cover[(v * 2u32 + 1u32) as usize]);
        let first_column = u32::cast_from(column_cover[(u * 2u32) as usize]);
        let end_column = u32::cast_from(column_cover[(u * 2u32 + 1u32) as usize]);
        for row in first_row..end_row {
            for column in first_column..end_column {
                let top = number(rows, row, 0u32);
                let bottom = number(rows, row, 1u32);
                let left = number(columns, column, 0u32);
                let right = number(columns, column, 1u32);
                let window = ((map * s.rows + row) * s.columns + column) * s.channels + channel;
                let g = gradient[window as usize];
                if comptime!(kind == Kind::Largest) {
                    let largest = y[window as usize];
                    let own = x[at as usize];
                    // The first of equal values gets the gradient.
                    let mut wins = own == largest;
                    for other_v in top..v + 1u32 {
                        let mut end = right;
                        if other_v == v {
                            end = u;
                        }
                        for other_u in left..end {
                            let other =
                                x[(first + (other_v * s.width + other_u) * s.channels) as usize];
                            if other == largest {
                                wins = false;
                            }
                        }
                    }
                    if wins {
                        sum += g;
                    }
                }
                if comptime!(kind == Kind::Mean) {
                    sum += g / f32::cast_from((bottom - top) * (right - left));
                }
                if comptime!(kind == Kind::PaddedMean) {
                    let lengths = number(rows, row, 2u32) * number(columns, column, 2u32);
                    sum += g / f32::cast_from(lengths);
                }
            }
        }
        found[ABSOLUTE_POS] = sum;
    }
}

/// A pool of maps `[N, C, H, W]`.
pub(crate) struct Pooling {
    pub kind: Kind,
    pub batch: usize,
    pub channels: usize,
    pub map: (usize, usize),
    pub rows: Vec<Span>,
    pub columns: Vec<Span>,
}

impl Pooling {
    fn launched(&self, count: usize) -> ShapeLaunch {
        ShapeLaunch::new(
            self.channels as u32,
            self.map.0 as u32,
            self.map.1 as u32,
            self.rows.len() as u32,
            self.columns.len() as u32,
            count as u32,
        )
    }

    pub fn forward(&self, gpu: &Gpu, x: &Values) -> Values {
        let count = self.batch * self.channels * self.rows.len() * self.columns.len();
        let y = gpu.empty(count);
        let (cubes, units) = gpu.units(count);
        let (rows, columns) = (table(gpu, &self.rows), table(gpu, &self.columns));
        let (rows, columns) = (rows.arg(), columns.arg());
        let shape = self.launched(count);
        forward_kernel::launch(
            gpu.client(),
            cubes,
            units,
            x.arg(),
            rows,
            columns,
            y.arg(),
            shape,
            self.kind,
        );
        y
    }

    /// The gradient of the input `x`, given the pool's value `y`. Means read neither.
    pub fn backward(
        &self,
        gpu: &Gpu,
        values: Option<(&Values, &Values)>,
        gradient: &Values,
    ) -> Values {
        let count = self.batch * self.channels * self.map.0 * self.map.1;
        let found = gpu.empty(count);
        let (cubes, units) = gpu.units(count);
        let (x, y) = values.unwrap_or((gradient, gradient));
        backward_kernel::launch(
            gpu.client(),
            cubes,
            units,
            x.arg(),
            y.arg(),
            gradient.arg(),
            table(gpu, &self.rows).arg(),
            table(gpu, &self.columns).arg(),
            cover(gpu, &self.rows, self.map.0).arg(),
            cover(gpu, &self.columns, self.map.1).arg(),
            found.arg(),
            self.launched(count),
            self.kind,
        );
        found
    }
}

fn table(gpu: &Gpu, windows: &[Span]) -> Values {
    let numbers = |span: &Span| [span.inside.start, span.inside.end, span.padded];
    let numbers: Vec<f32> = windows.iter().flat_map(numbers).map(|n| n as f32).collect();
    gpu.upload(&numbers)
}

/// For each pixel, the first window over it and the end of those over it. Windows are in order.
fn cover(gpu: &Gpu, windows: &[Span], pixels: usize) -> Values {
    let mut numbers = Vec::with_capacity(2 * pixels);
    for pixel in 0..pixels {
        let first = windows.partition_point(|span| span.inside.end <= pixel);
        let end = windows.partition_point(|span| span.inside.start <= pixel);
        numbers.extend([first as f32, end.max(first) as f32]);
    }
    gpu.upload(&numbers)
}
