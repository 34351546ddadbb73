//! The kernels that transform a tile's input to the points, and its products to the output.

#![allow(
    clippy::needless_range_loop,
    reason = "with constant bounds and indices, vectors stay in registers"
)]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::super::activation::by_vector::{activate, is_in_registers};
use super::super::super::simd::{Shared, load, store};
use super::tiles::{Tile, Tiles};
use super::transform::{self, LARGEST, NEEDED_BY, POINTS};
use super::{Place, Winograd};
use crate::runtime::instruction_set::InstructionSet;

/// An operation on one tile of `Y` × `X` outputs.
pub(super) trait ByTile: Copy {
    fn tile<S: Simd, const Y: usize, const X: usize>(self, simd: S, tile: Tile, place: usize);
}

/// Runs `work` on tiles; `first` is the one at place 0. The kernels are called through their addresses: if
/// they were inlined next to each other, the compiler would merge them.
pub(super) struct Each<W> {
    pub work: W,
    pub tiles: Range<usize>,
    pub first: usize,
}

impl<W: ByTile> Each<W> {
    pub fn run(self, set: InstructionSet, tiles: &Tiles) {
        for index in self.tiles {
            let tile = tiles.get(index);
            macro_rules! of_size {
                ($($y:literal $x:literal,)*) => {
                    match (tile.rows.1, tile.columns.1) {
                        $(($y, $x) => run_tile::<W, $y, $x>,)*
                        _ => unreachable!("sides are cut into 2 to 4"),
                    }
                };
            }
            let run = of_size!(2 2, 2 3, 2 4, 3 2, 3 3, 3 4, 4 2, 4 3, 4 4,);
            run(set, self.work, tile, index - self.first);
        }
    }
}

#[inline(never)]
pub(super) fn run_tile<W: ByTile, const Y: usize, const X: usize>(
    set: InstructionSet,
    work: W,
    tile: Tile,
    place: usize,
) {
    struct One<W, const Y: usize, const X: usize>(W, Tile, usize);
    impl<W: ByTile, const Y: usize, const X: usize> WithSimd for One<W, Y, X> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            self.0.tile::<S, Y, X>(simd, self.1, self.2);
        }
    }
    set.run(One::<W, Y, X>(work, tile, place));
}

/// Feature maps `N, H, W, C` as stored.
#[derive(Clone, Copy)]
pub(super) struct Pixels<'a> {
    pub values: &'a [f32],
    /// Number, rows, columns and channels of the maps.
    pub maps: (usize, usize, usize, usize),
    /// Rows above and columns to the left of the maps that count as zeros.
    pub border: (usize, usize),
}

impl Pixels<'_> {
    /// The addresses of the channels of a tile's pixels, for this many rows and columns; zeros outside of the
    /// maps.
    #[inline(always)]
    fn of_tile(
        &self,
        tile: Tile,
        (rows, columns): (usize, usize),
        zeros: &[f32],
    ) -> [[*const f32; POINTS]; POINTS] {
        let (_, h, w, c) = self.maps;
        let mut pixels = [[zeros.as_ptr(); POINTS]; POINTS];
        for (i, row) in pixels.iter_mut().take(rows).enumerate() {
            let Some(y) = (tile.rows.0 + i).checked_sub(self.border.0) else {
                continue;
            };
            for (j, pixel) in row.iter_mut().take(columns).enumerate() {
                if let Some(x) = (tile.columns.0 + j).checked_sub(self.border.1)
                    && y < h
                    && x < w
                {
                    *pixel = self.values[((tile.map * h + y) * w + x) * c..].as_ptr();
                }
            }
        }
        pixels
    }
}

/// The transform of a tile's input.
#[derive(Clone, Copy)]
pub(super) struct Enter<'a> {
    pub maps: Pixels<'a>,
    /// Zeros, at least as many as there are channels.
    pub zeros: &'a [f32],
    pub to: Place,
}

impl ByTile for Enter<'_> {
    #[inline(always)]
    fn tile<S: Simd, const Y: usize, const X: usize>(self, simd: S, tile: Tile, place: usize) {
        let c = self.maps.maps.3;
        let pixels = self.maps.of_tile(tile, (Y + 2, X + 2), self.zeros);
        let lanes = S::F32_LANES;
        let whole = c / lanes * lanes;
        for channel in (0..whole).step_by(lanes) {
            self.vector::<S, Y, X, true>(simd, &pixels, place, channel, lanes);
        }
        if whole < c {
            self.vector::<S, Y, X, false>(simd, &pixels, place, whole, c - whole);
        }
    }
}

impl Enter<'_> {
    /// One vector of channels, of which `used` exist (all of them if `FULL`).
    #[inline(always)]
    fn vector<S: Simd, const Y: usize, const X: usize, const FULL: bool>(
        &self,
        simd: S,
        pixels: &[[*const f32; POINTS]; POINTS],
        place: usize,
        channel: usize,
        used: usize,
    ) {
        let zero = simd.splat_f32s(0.0);
        let mut lines = [[zero; POINTS]; POINTS];
        for i in 0..Y + 2 {
            let mut line = [zero; POINTS];
            for j in 0..X + 2 {
                // SAFETY: each pointer is the start of a pixel's channels, or of as many zeros; at least
                // `used` of them follow from `channel` on.
                line[j] = unsafe { read::<S, FULL>(simd, pixels[i][j].add(channel), used) };
            }
            lines[i] = transform::input::<S, X>(simd, line);
        }
        for x in 0..POINTS {
            if X < NEEDED_BY[x] {
                continue;
            }
            let mut column = [zero; POINTS];
            for i in 0..Y + 2 {
                column[i] = lines[i][x];
            }
            let column = transform::input::<S, Y>(simd, column);
            for y in 0..POINTS {
                if Y < NEEDED_BY[y] {
                    continue;
                }
                // SAFETY: the room contains the channels of this tile at this pair of points, and no other
                // task writes to this tile.
                unsafe {
                    let at = self.to.at(y * POINTS + x, place).add(channel);
                    write::<S, FULL>(simd, at, used, column[y]);
                }
            }
        }
    }
}

/// The transform of the gradient of a tile's output.
#[derive(Clone, Copy)]
pub(super) struct EnterGradient<'a> {
    pub maps: Pixels<'a>,
    /// Zeros, at least as many as there are channels.
    pub zeros: &'a [f32],
    pub to: Place,
}

impl ByTile for EnterGradient<'_> {
    #[inline(always)]
    fn tile<S: Simd, const Y: usize, const X: usize>(self, simd: S, tile: Tile, place: usize) {
        let c = self.maps.maps.3;
        let pixels = self.maps.of_tile(tile, (Y, X), self.zeros);
        let lanes = S::F32_LANES;
        let whole = c / lanes * lanes;
        for channel in (0..whole).step_by(lanes) {
            self.vector::<S, Y, X, true>(simd, &pixels, place, channel, lanes);
        }
        if whole < c {
            self.vector::<S, Y, X, false>(simd, &pixels, place, whole, c - whole);
        }
    }
}

impl EnterGradient<'_> {
    /// One vector of channels, of which `used` exist (all of them if `FULL`).
    #[inline(always)]
    fn vector<S: Simd, const Y: usize, const X: usize, const FULL: bool>(
        &self,
        simd: S,
        pixels: &[[*const f32; POINTS]; POINTS],
        place: usize,
        channel: usize,
        used: usize,
    ) {
        let zero = simd.splat_f32s(0.0);
        let mut lines = [[zero; POINTS]; LARGEST];
        for i in 0..Y {
            let mut line = [zero; LARGEST];
            for j in 0..X {
                // SAFETY: each pointer is the start of a pixel's channels, or of as many zeros; at least
                // `used` of them follow from `channel` on.
                line[j] = unsafe { read::<S, FULL>(simd, pixels[i][j].add(channel), used) };
            }
            lines[i] = transform::output_back::<S, X>(simd, line);
        }
        for x in 0..POINTS {
            if X < NEEDED_BY[x] {
                continue;
            }
            let mut column = [zero; LARGEST];
            for i in 0..Y {
                column[i] = lines[i][x];
            }
            let column = transform::output_back::<S, Y>(simd, column);
            for y in 0..POINTS {
                if Y < NEEDED_BY[y] {
                    continue;
                }
                // SAFETY: the room contains the channels of this tile at this pair of points, and no other
                // task writes to this tile.
                unsafe {
                    let at = self.to.at(y * POINTS + x, place).add(channel);
                    write::<S, FULL>(simd, at, used, column[y]);
                }
            }
        }
    }
}

/// Reads `used` values, a whole vector if `FULL`.
///
/// # Safety
/// The address must be valid for reading them.
#[inline(always)]
unsafe fn read<S: Simd, const FULL: bool>(simd: S, at: *const f32, used: usize) -> S::f32s {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if FULL {
            load::<S>(at)
        } else {
            simd.partial_load_f32s(std::slice::from_raw_parts(at, used))
        }
    }
}

/// Writes `used` values, a whole vector if `FULL`.
///
/// # Safety
/// The address must be valid for writing them.
#[inline(always)]
unsafe fn write<S: Simd, const FULL: bool>(simd: S, at: *mut f32, used: usize, values: S::f32s) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if FULL {
            store::<S>(at, values);
        } else {
            simd.partial_store_f32s(std::slice::from_raw_parts_mut(at, used), values);
        }
    }
}

/// The transform of a tile's products into the output.
#[derive(Clone, Copy)]
pub(super) struct Leave<'a> {
    pub winograd: &'a Winograd<'a>,
    pub from: Place,
    pub to: Shared,
}

impl ByTile for Leave<'_> {
    #[inline(always)]
    fn tile<S: Simd, const Y: usize, const X: usize>(self, simd: S, tile: Tile, place: usize) {
        let filters = self.from.channels;
        let lanes = S::F32_LANES;
        let whole = filters / lanes * lanes;
        for filter in (0..whole).step_by(lanes) {
            self.vector::<S, Y, X, true>(simd, tile, place, filter, lanes);
        }
        if whole < filters {
            self.vector::<S, Y, X, false>(simd, tile, place, whole, filters - whole);
        }
        if let Some(activation) = self.winograd.finish.activation
            && !is_in_registers(activation)
        {
            for i in 0..Y {
                for j in 0..X {
                    if let Some(at) = self.pixel(tile, i, j) {
                        // SAFETY: as in `vector`; this task has just written these values.
                        unsafe { activation.finish_rows(simd, &[at], (0, filters)) };
                    }
                }
            }
        }
    }
}

impl Leave<'_> {
    /// The address of a pixel of the tile, if it is inside the output.
    #[inline(always)]
    fn pixel(&self, tile: Tile, i: usize, j: usize) -> Option<*mut f32> {
        let (rows, columns) = self.winograd.results;
        let (y, x) = (tile.rows.0 + i, tile.columns.0 + j);
        let inside = y < rows && x < columns;
        inside.then(|| {
            self.to
                .at(((tile.map * rows + y) * columns + x) * self.from.channels)
        })
    }

    #[inline(always)]
    fn vector<S: Simd, const Y: usize, const X: usize, const FULL: bool>(
        &self,
        simd: S,
        tile: Tile,
        place: usize,
        filter: usize,
        used: usize,
    ) {
        let zero = simd.splat_f32s(0.0);
        let mut lines = [[zero; POINTS]; LARGEST];
        for x in 0..POINTS {
            if X < NEEDED_BY[x] {
                continue;
            }
            let mut column = [zero; POINTS];
            for y in 0..POINTS {
                if Y < NEEDED_BY[y] {
                    continue;
                }
                // SAFETY: the products of this tile at this pair of points were written before.
                column[y] = unsafe {
                    let at = self.from.at(y * POINTS + x, place).add(filter);
                    if FULL {
                        load::<S>(at)
                    } else {
                        simd.partial_load_f32s(std::slice::from_raw_parts(at, used))
                    }
                };
            }
            let column = transform::output::<S, Y>(simd, column);
            for i in 0..Y {
                lines[i][x] = column[i];
            }
        }
        let finish = &self.winograd.finish;
        // SAFETY: the slice has the values of a vector if `FULL`.
        let read = |slice: &[f32]| unsafe {
            if FULL {
                load::<S>(slice.as_ptr())
            } else {
                simd.partial_load_f32s(slice)
            }
        };
        let bias = match finish.bias {
            Some(bias) => read(&bias[filter..filter + used]),
            None => zero,
        };
        for i in 0..Y {
            let line = transform::output::<S, X>(simd, lines[i]);
            for j in 0..X {
                let Some(at) = self.pixel(tile, i, j) else {
                    continue;
                };
                // SAFETY: the pixel is inside the output and belongs only to this tile.
                let target = unsafe { std::slice::from_raw_parts_mut(at.add(filter), used) };
                let mut sum = simd.add_f32s(line[j], bias);
                if let Some(residual) = finish.residual {
                    sum = simd.add_f32s(sum, read(residual.of(target)));
                }
                sum = activate(simd, finish.activation, sum);
                if FULL {
                    // SAFETY: as above.
                    unsafe { store::<S>(target.as_mut_ptr(), sum) };
                } else {
                    simd.partial_store_f32s(target, sum);
                }
            }
        }
    }
}
