//! Matrix products in f32, of matrices that are stored or that follow from a convolution.
//!
//! A cube computes a tile of the result: it copies stretches of the two matrices to shared memory, and each unit
//! multiplies rows of one with columns of the other in registers. Convolutions never store their patches: a tile
//! reads them from the feature map. Sums are split into stretches whose length follows from the shapes alone, so
//! that a result is always the same.

use cubecl::prelude::*;

use crate::kernels::activation::{Activate, activate};
use crate::kernels::reduce;
use crate::values::{Gpu, Values};

/// How the values of a matrix are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entries {
    /// Stored with a step between rows and one between columns.
    Stored,
    /// Rows are the pixels of a convolution's output; columns are taps × input channels.
    Patches,
    /// Rows are the pixels of a convolution's input; columns are taps × output channels, whose gradients
    /// reach the pixel.
    Reaching,
    /// Rows are taps × output channels, columns are input channels: a convolution's weights
    /// `[O, taps, I]`.
    Filters,
}

/// A matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    pub values: &'a Values,
    pub entries: Entries,
    /// Of [`Entries::Stored`]: between matrices of a batch, between rows, between columns.
    pub steps: [usize; 3],
}

impl<'a> Matrix<'a> {
    /// A matrix that is stored with these steps between the matrices of a batch, rows and columns.
    pub fn stored(values: &'a Values, steps: [usize; 3]) -> Self {
        Self {
            values,
            entries: Entries::Stored,
            steps,
        }
    }

    pub fn of(values: &'a Values, entries: Entries) -> Self {
        Self {
            values,
            entries,
            steps: [0; 3],
        }
    }

    /// Whether the values of a row are adjacent, and not those of a column.
    fn rows_are_adjacent(&self) -> bool {
        match self.entries {
            Entries::Stored => self.steps[2] <= self.steps[1],
            Entries::Patches | Entries::Reaching | Entries::Filters => true,
        }
    }
}

/// A window that slides over maps, for [`Entries`] of convolutions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sliding {
    /// Channels of the map that is read: of the input, or of the output for [`Entries::Reaching`].
    pub channels: usize,
    /// Rows and columns of the map that is read.
    pub map: (usize, usize),
    /// Rows and columns of the pixels that the other index counts.
    pub pixels: (usize, usize),
    pub kernel: (usize, usize),
    pub stride: (usize, usize),
    pub dilation: (usize, usize),
    /// Pixels of padding above and to the left.
    pub before: (usize, usize),
}

/// What happens to each sum before it is stored.
#[derive(Clone, Copy, Default)]
pub(crate) struct Finish<'a> {
    /// One value per column.
    pub bias: Option<&'a Values>,
    /// One value per result.
    pub residual: Option<&'a Values>,
    pub activation: Activate,
}

#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(crate) struct Extent {
    rows: u32,
    columns: u32,
    depth: u32,
    /// Values of the depth that one cube sums.
    stretch: u32,
    stretches: u32,
    tiles_down: u32,
    tiles: u32,
}

#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(crate) struct Steps {
    matrix: u32,
    row: u32,
    column: u32,
}

#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(crate) struct Window {
    channels: u32,
    height: u32,
    width: u32,
    pixel_rows: u32,
    pixel_columns: u32,
    kernel_columns: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    before_y: u32,
    before_x: u32,
}

/// What the kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    a: Entries,
    b: Entries,
    a_adjacent: bool,
    b_adjacent: bool,
    /// Rows and columns that a unit computes.
    own: (usize, usize),
    /// Whether the window moves by more than a pixel.
    strided: bool,
    bias: bool,
    residual: bool,
    activation: Activate,
}

impl Form {
    /// Whether the rows of the first matrix are pixels, which are found once.
    fn has_pixels(&self) -> bool {
        matches!(self.a, Entries::Patches | Entries::Reaching)
    }

    /// Rows of the first matrix that a unit copies at once.
    fn copied(&self) -> usize {
        DEPTH * self.own.0 / SIDE
    }
}

/// Units of a cube along each side of its tile.
const SIDE: usize = 16;

/// Values of the depth in shared memory at once.
const DEPTH: usize = 16;

/// Where the pixel that a row counts is: the first row of its map, and the row and the column in it.
#[cube]
fn pixel(row: u32, window: &Window, #[comptime] entries: Entries) -> (u32, u32, u32) {
    let x = row % window.pixel_columns;
    let rest = row / window.pixel_columns;
    let y = rest % window.pixel_rows;
    let map = (rest / window.pixel_rows) * window.height;
    if comptime!(entries == Entries::Patches) {
        (map, y * window.stride_y, x * window.stride_x)
    } else {
        (map, y + window.before_y, x + window.before_x)
    }
}

/// The channel that a column counts, and the row and column of its tap.
#[cube]
fn tap(column: u32, window: &Window) -> (u32, u32, u32) {
    let tap = column / window.channels;
    let down = (tap / window.kernel_columns) * window.dilation_y;
    let right = (tap % window.kernel_columns) * window.dilation_x;
    (column % window.channels, down, right)
}

/// The value under a tap of the window at a pixel.
#[cube]
fn under(
    values: &Tensor<f32>,
    place: (u32, u32, u32),
    by: (u32, u32, u32),
    window: &Window,
    #[comptime] entries: Entries,
    #[comptime] strided: bool,
) -> f32 {
    let (map, y, x) = place;
    let (channel, down, right) = by;
    let mut value = 0.0f32;
    if comptime!(entries == Entries::Patches) {
        // Below 0 it is larger than every map.
        let row = y + down - window.before_y;
        let column = x + right - window.before_x;
        if row < window.height && column < window.width {
            let at = (map + row) * window.width + column;
            value = values[(at * window.channels + channel) as usize];
        }
    } else {
        let mut row = y - down;
        let mut column = x - right;
        let mut hits = y >= down && x >= right;
        if comptime!(strided) {
            let from = row / window.stride_y;
            let beside = column / window.stride_x;
            hits = hits && from * window.stride_y == row && beside * window.stride_x == column;
            row = from;
            column = beside;
        }
        if hits && row < window.height && column < window.width {
            let at = (map + row) * window.width + column;
            value = values[(at * window.channels + channel) as usize];
        }
    }
    value
}

#[cube]
fn entry(
    values: &Tensor<f32>,
    row: u32,
    column: u32,
    first: u32,
    steps: &Steps,
    window: &Window,
    #[comptime] form: Form,
    #[comptime] entries: Entries,
) -> f32 {
    match comptime!(entries) {
        Entries::Stored => values[(first + row * steps.row + column * steps.column) as usize],
        Entries::Filters => {
            // `[O, taps, I]`: the row is tap · O + o, the step between filters is `steps.row`.
            let tap = row / window.channels;
            let filter = row % window.channels;
            values[(filter * steps.row + tap * steps.column + column) as usize]
        }
        Entries::Patches | Entries::Reaching => {
            let place = pixel(row, window, comptime!(entries));
            let by = tap(column, window);
            under(
                values,
                place,
                by,
                window,
                comptime!(entries),
                comptime!(form.strided),
            )
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn product_kernel(
    a: &Tensor<f32>,
    b: &Tensor<f32>,
    bias: &Tensor<f32>,
    residual: &Tensor<f32>,
    c: &mut Tensor<f32>,
    extent: &Extent,
    a_steps: &Steps,
    b_steps: &Steps,
    window: &Window,
    #[comptime] form: Form,
) {
    let own_rows = comptime!(form.own.0);
    let own_columns = comptime!(form.own.1);
    let tile_rows = comptime!((form.own.0 * SIDE) as u32);
    let tile_columns = comptime!((form.own.1 * SIDE) as u32);
    let units = comptime!((SIDE * SIDE) as u32);
    let side = comptime!(SIDE as u32);
    let depth_at_once = comptime!(DEPTH as u32);
    let tile = CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X;
    if tile >= extent.tiles {
        terminate!();
    }
    let unit = UNIT_POS;
    let own_y = unit / side;
    let own_x = unit % side;
    let first_row = (tile % extent.tiles_down) * tile_rows;
    let first_column = (tile / extent.tiles_down) * tile_columns;
    let matrix = CUBE_POS_Z / extent.stretches;
    let start = (CUBE_POS_Z % extent.stretches) * extent.stretch;
    let mut end = start + extent.stretch;
    if end > extent.depth {
        end = extent.depth;
    }
    let a_first = matrix * a_steps.matrix;
    let b_first = matrix * b_steps.matrix;

    let mut left = Shared::<[f32]>::new_slice(comptime!(DEPTH * form.own.0 * SIDE));
    let mut right = Shared::<[f32]>::new_slice(comptime!(DEPTH * form.own.1 * SIDE));
    let mut sums = Array::<f32>::new(comptime!(form.own.0 * form.own.1));
    #[unroll]
    for i in 0..comptime!(form.own.0 * form.own.1) {
        sums[i] = 0.0f32;
    }
    let own_step = unit % depth_at_once;
    let mut maps = Array::<u32>::new(comptime!(form.copied()));
    let mut ys = Array::<u32>::new(comptime!(form.copied()));
    let mut xs = Array::<u32>::new(comptime!(form.copied()));
    if comptime!(form.has_pixels()) {
        #[unroll]
        for i in 0..comptime!(form.copied()) {
            let row =
                first_row + unit / depth_at_once + comptime!((i * SIDE * SIDE / DEPTH) as u32);
            let (map, y, x) = pixel(row, window, comptime!(form.a));
            maps[i] = map;
            ys[i] = y;
            xs[i] = x;
        }
    }
    let mut at = start;
    while at < end {
        if comptime!(form.has_pixels()) {
            let by = tap(at + own_step, window);
            #[unroll]
            for i in 0..comptime!(form.copied()) {
                let row = unit / depth_at_once + comptime!((i * SIDE * SIDE / DEPTH) as u32);
                let mut value = 0.0f32;
                if first_row + row < extent.rows && at + own_step < end {
                    value = under(
                        a,
                        (maps[i], ys[i], xs[i]),
                        by,
                        window,
                        comptime!(form.a),
                        comptime!(form.strided),
                    );
                }
                left[(own_step * tile_rows + row) as usize] = value;
            }
        } else {
            #[unroll]
            for i in 0..comptime!((DEPTH * form.own.0 / SIDE) as u32) {
                let index = unit + i * units;
                let mut row = index / depth_at_once;
                let mut step = index % depth_at_once;
                if comptime!(!form.a_adjacent) {
                    row = index % tile_rows;
                    step = index / tile_rows;
                }
                let mut value = 0.0f32;
                if first_row + row < extent.rows && at + step < end {
                    value = entry(
                        a,
                        first_row + row,
                        at + step,
                        a_first,
                        a_steps,
                        window,
                        form,
                        comptime!(form.a),
                    );
                }
                left[(step * tile_rows + row) as usize] = value;
            }
        }
        #[unroll]
        for i in 0..comptime!((DEPTH * form.own.1 / SIDE) as u32) {
            let index = unit + i * units;
            let mut column = index % tile_columns;
            let mut step = index / tile_columns;
            if comptime!(!form.b_adjacent) {
                column = index / depth_at_once;
                step = index % depth_at_once;
            }
            let mut value = 0.0f32;
            if first_column + column < extent.columns && at + step < end {
                value = entry(
                    b,
                    at + step,
                    first_column + column,
                    b_first,
                    b_steps,
                    window,
                    form,
                    comptime!(form.b),
                );
            }
            right[(step * tile_columns + column) as usize] = value;
        }
        sync_cube();
        for step in 0..depth_at_once {
            let mut columns = Array::<f32>::new(own_columns);
            #[unroll]
            for j in 0..own_columns {
                columns[j] =
                    right[(step * tile_columns + comptime!(j as u32) * side + own_x) as usize];
            }
            #[unroll]
            for i in 0..own_rows {
                let value = left[(step * tile_rows + comptime!(i as u32) * side + own_y) as usize];
                #[unroll]
                for j in 0..own_columns {
                    sums[comptime!(i * own_columns + j)] += value * columns[j];
                }
            }
        }
        sync_cube();
        at += depth_at_once;
    }
    let first = CUBE_POS_Z * extent.rows * extent.columns;
    #[unroll]
    for i in 0..own_rows {
        let row = first_row + comptime!(i as u32) * side + own_y;
        #[unroll]
        for j in 0..own_columns {
            let column = first_column + comptime!(j as u32) * side + own_x;
            if row < extent.rows && column < extent.columns {
                let mut sum = sums[comptime!(i * own_columns + j)];
                let to = (first + row * extent.columns + column) as usize;
                if comptime!(form.bias) {
                    sum += bias[column as usize];
                }
                if comptime!(form.residual) {
                    sum += residual[to];
                }
                c[to] = activate(sum, comptime!(form.activation));
            }
        }
    }
}

/// Cubes that a device needs to be busy.
const BUSY: usize = 256;

/// The shortest stretch of a sum that is worth a cube.
const SHORTEST: usize = 512;

/// Cubes along the first axis of a launch, at most.
const MOST_ALONG: usize = 32_768;

/// `count` products of an `m × k` matrix with a `k × n` one, stored one after the other, row by row.
pub(crate) fn product(
    gpu: &Gpu,
    (a, b): (Matrix, Matrix),
    [count, m, n, k]: [usize; 4],
    sliding: Sliding,
    finish: Finish,
) -> Values {
    // Larger tiles need fewer copies for each product, but more results to keep all units busy.
    let own = |length: usize| match length {
        0..=32 => 2,
        33..=127 => 4,
        _ => 8,
    };
    let mut own = (own(m), own(n));
    while own.0.max(own.1) > 4 && count * m.div_ceil(own.0 * SIDE) * n.div_ceil(own.1 * SIDE) < BUSY
    {
        own = (own.0.min(4), own.1.min(4));
    }
    let down = m.div_ceil(own.0 * SIDE);
    let tiles = down * n.div_ceil(own.1 * SIDE);
    // A long sum of few results is split, so that all of the device works.
    let stretches = (BUSY / (tiles * count)).clamp(1, k.div_ceil(SHORTEST));
    let stretch = k.div_ceil(stretches).next_multiple_of(DEPTH);
    let stretches = k.div_ceil(stretch).max(1);
    let finished = if stretches == 1 {
        finish
    } else {
        Finish::default()
    };
    let c = gpu.empty(count * stretches * m * n);
    let form = Form {
        a: a.entries,
        b: b.entries,
        a_adjacent: a.rows_are_adjacent(),
        b_adjacent: b.rows_are_adjacent(),
        own,
        strided: sliding.stride.0.max(sliding.stride.1) > 1,
        bias: finished.bias.is_some(),
        residual: finished.residual.is_some(),
        activation: finished.activation,
    };
    let along = tiles.min(MOST_ALONG);
    let cubes = CubeCount::Static(
        along as u32,
        tiles.div_ceil(along) as u32,
        (count * stretches) as u32,
    );
    let steps = |matrix: &Matrix| {
        let [batch, row, column] = matrix.steps.map(|step| step as u32);
        StepsLaunch::new(batch, row, column)
    };
    product_kernel::launch(
        gpu.client(),
        cubes,
        CubeDim::new_1d((SIDE * SIDE) as u32),
        a.values.arg(),
        b.values.arg(),
        finished.bias.unwrap_or(a.values).arg(),
        finished.residual.unwrap_or(a.values).arg(),
        c.arg(),
        ExtentLaunch::new(
            m as u32,
            n as u32,
            k as u32,
            stretch as u32,
            stretches as u32,
            down as u32,
            tiles as u32,
        ),
        steps(&a),
        steps(&b),
        sliding.launched(),
        form,
    );
    if stretches == 1 {
        return c;
    }
    reduce::stretches(gpu, &c, [count, stretches, m * n], n, finish)
}

impl Sliding {
    fn launched(&self) -> WindowLaunch {
        let word = |value: usize| value.max(1) as u32;
        WindowLaunch::new(
            word(self.channels),
            self.map.0 as u32,
            self.map.1 as u32,
            word(self.pixels.0),
            word(self.pixels.1),
            word(self.kernel.1),
            word(self.stride.0),
            word(self.stride.1),
            self.dilation.0 as u32,
            self.dilation.1 as u32,
            self.before.0 as u32,
            self.before.1 as u32,
        )
    }
}
