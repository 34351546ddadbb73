//! 3×3 convolution of stride 1 with fewer multiplications: Winograd's minimal filtering by Lavin and
//! Gray (arXiv 1509.09308).
//!
//! The output is cut into tiles of up to 4×4 pixels. Each tile's input is transformed to 6×6 values
//! (one per pair of points), multiplied there by the transformed filters, and transformed back: 36
//! products instead of 144 per channel and filter. Sides that are no multiple of 4 end in tiles of 3
//! or 2, which need fewer points, so no product is spent on pixels that nobody asked for.

mod transform;

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use self::transform::{LARGEST, NEEDED_BY, POINTS};
use super::super::panels::{Finish, Panels, Product, activate, is_vectorised, load, store};
use super::super::simd::{InstructionSet, Shared};
use crate::buffer::Buffer;

/// Pairs of points.
const PAIRS: usize = POINTS * POINTS;

/// Filters at the pairs of points, one matrix `[channels, filters]` each. `weight(filter, channel)`
/// are the nine weights, row by row.
pub(super) fn transformed(
    set: InstructionSet,
    (channels, filters): (usize, usize),
    weight: impl Fn(usize, usize) -> [f32; 9] + Sync,
) -> Panels {
    Panels::pack(set, (PAIRS, channels, filters), |channel, first, rows| {
        let columns = rows.len() / PAIRS;
        for column in 0..columns {
            let w = weight(first + column, channel).map(f64::from);
            let lines =
                [[w[0], w[1], w[2]], [w[3], w[4], w[5]], [w[6], w[7], w[8]]].map(transform::filter);
            for x in 0..POINTS {
                let line = transform::filter([lines[0][x], lines[1][x], lines[2][x]]);
                for (y, value) in line.into_iter().enumerate() {
                    rows[(y * POINTS + x) * columns + column] = value as f32;
                }
            }
        }
    })
}

/// The tiles along one side: where each starts and how many outputs it has.
fn sides(length: usize) -> Vec<(usize, usize)> {
    let count = length.div_ceil(LARGEST);
    let mut missing = count * LARGEST - length;
    let mut sizes = vec![LARGEST; count];
    while missing > 0 {
        for size in sizes.iter_mut().rev() {
            if missing > 0 && *size > 2 {
                *size -= 1;
                missing -= 1;
            }
        }
        if sizes.iter().all(|&size| size == 2) {
            break; // A single output is computed as one of two.
        }
    }
    let mut start = 0;
    sizes
        .into_iter()
        .map(|size| {
            start += size;
            (start - size, size)
        })
        .collect()
}

/// A convolution of feature maps `N, H, W, C` as stored.
pub(super) struct Winograd<'a> {
    /// The maps.
    pub input: &'a [f32],
    /// Number, rows, columns and channels of the maps.
    pub maps: (usize, usize, usize, usize),
    /// Rows above and columns to the left of the maps that count as zeros.
    pub border: (usize, usize),
    /// What [`transformed`] made.
    pub filters: &'a Panels,
    /// Rows and columns of an output map.
    pub results: (usize, usize),
    /// What is done to the sums.
    pub finish: Finish<'a>,
}

/// Cost in multiply-adds, by the size of what is worked on: the direct and the transformed way.
/// Measured on two kinds of machines: a value read from memory costs about as much as 30
/// multiply-adds, a transformed value about as much as 8.
pub(super) fn is_cheaper(
    maps: usize,
    (rows, columns): (usize, usize),
    (channels, filters): (usize, usize),
) -> bool {
    let along = |length: usize| {
        sides(length)
            .iter()
            .map(|(_, size)| size + 2)
            .sum::<usize>()
    };
    let transformed = maps * along(rows) * along(columns);
    let weights = channels * filters;
    let direct = (maps * rows * columns * 9 + 30 * 9) * weights;
    direct > (transformed + 30 * PAIRS) * weights + 8 * transformed * (channels + filters)
}

/// One tile of the output.
#[derive(Clone, Copy)]
struct Tile {
    map: usize,
    /// First row and its number of rows.
    rows: (usize, usize),
    /// First column and its number of columns.
    columns: (usize, usize),
}

/// All tiles of all maps.
struct Tiles {
    ys: Vec<(usize, usize)>,
    xs: Vec<(usize, usize)>,
    maps: usize,
}

impl Tiles {
    fn count(&self) -> usize {
        self.maps * self.ys.len() * self.xs.len()
    }

    fn get(&self, index: usize) -> Tile {
        let (rows, columns) = (self.ys.len(), self.xs.len());
        Tile {
            map: index / (rows * columns),
            rows: self.ys[index / columns % rows],
            columns: self.xs[index % columns],
        }
    }
}

/// Room for the transformed values of a block of tiles: `[pairs][tiles][channels]`.
struct Room {
    values: Buffer,
    /// Values from one pair to the next.
    pitch: usize,
    channels: usize,
}

impl Room {
    fn new() -> Self {
        Self {
            values: Buffer::stale(0),
            pitch: 0,
            channels: 0,
        }
    }

    fn resize(&mut self, tiles: usize, channels: usize) {
        // An odd number of cache lines: the 36 values of a tile must not all compete for the same
        // few places of the cache.
        self.pitch = ((tiles * channels).div_ceil(16) | 1) * 16;
        self.channels = channels;
        self.values.resize(PAIRS * self.pitch);
    }

    fn place(&mut self) -> Place {
        Place {
            values: Shared::new(&mut self.values),
            pitch: self.pitch,
            channels: self.channels,
        }
    }
}

/// A [`Room`] that several threads write to.
#[derive(Clone, Copy)]
struct Place {
    values: Shared,
    pitch: usize,
    channels: usize,
}

impl Place {
    /// The values of a tile at a pair of points.
    fn at(self, pair: usize, tile: usize) -> *mut f32 {
        self.values.at(pair * self.pitch + tile * self.channels)
    }
}

/// Values of transformed tiles that a core keeps close.
const CLOSE: usize = 1 << 16;

/// Values of transformed filters up to which every block of tiles goes through all of them alone.
const LIGHT: usize = 1 << 20;

/// Tasks that even a small layer is split into.
const TASKS: usize = 8;

impl Winograd<'_> {
    /// Computes the convolution with its finish.
    pub fn convolve(&self, output: &mut [f32]) {
        let (n, h, w, channels) = self.maps;
        let filters = self.filters.columns();
        assert_eq!(
            self.input.len(),
            n * h * w * channels,
            "the maps are all there"
        );
        assert_eq!(output.len(), n * self.results.0 * self.results.1 * filters);
        assert_eq!(self.filters.depth(), channels);
        let tiles = Tiles {
            ys: sides(self.results.0),
            xs: sides(self.results.1),
            maps: n,
        };
        let zeros = vec![0.0; channels];
        let output = Shared::new(output);
        let room = CLOSE / (PAIRS * channels.max(filters));
        if PAIRS * channels * filters <= LIGHT {
            let most = (tiles.count().div_ceil(TASKS))
                .min(room)
                .next_multiple_of(14);
            let blocks = tiles.count().div_ceil(most);
            let block =
                |index: usize| index * tiles.count() / blocks..(index + 1) * tiles.count() / blocks;
            (0..blocks).into_par_iter().for_each_init(
                || (Room::new(), Room::new()),
                |(inputs, products), index| {
                    let range = block(index);
                    inputs.resize(range.len(), channels);
                    products.resize(range.len(), filters);
                    let (inputs, products) = (inputs.place(), products.place());
                    self.enter(&tiles, range.clone(), range.start, &zeros, inputs);
                    let rows = Rows::of(&tiles, range.clone());
                    let mut pointers = (Vec::new(), Vec::new());
                    for pair in 0..PAIRS {
                        self.multiply(pair, &rows, inputs, products, &mut pointers);
                    }
                    self.leave(&tiles, range.clone(), range.start, products, output);
                },
            );
        } else {
            // The filters are too many to be read again for every few tiles: all cores share a
            // large block of tiles, and each takes some of the pairs of points.
            let most = (16 * room).max(64);
            let blocks = tiles.count().div_ceil(most);
            let (mut inputs, mut products) = (Room::new(), Room::new());
            for index in 0..blocks {
                let range = index * tiles.count() / blocks..(index + 1) * tiles.count() / blocks;
                inputs.resize(range.len(), channels);
                products.resize(range.len(), filters);
                let (inputs, products) = (inputs.place(), products.place());
                let first = range.start;
                let parts = |step: usize| {
                    let range = range.clone();
                    (0..range.len().div_ceil(step))
                        .into_par_iter()
                        .map(move |part| {
                            let start = range.start + part * step;
                            start..(start + step).min(range.end)
                        })
                };
                parts(4).for_each(|part| self.enter(&tiles, part, first, &zeros, inputs));
                let rows = Rows::of(&tiles, range.clone());
                (0..PAIRS).into_par_iter().with_max_len(1).for_each_init(
                    || (Vec::new(), Vec::new()),
                    |pointers, pair| self.multiply(pair, &rows, inputs, products, pointers),
                );
                parts(4).for_each(|part| self.leave(&tiles, part, first, products, output));
            }
        }
    }

    /// Transforms the inputs of tiles; `first` is the one at the start of the room.
    fn enter(&self, tiles: &Tiles, range: Range<usize>, first: usize, zeros: &[f32], to: Place) {
        let work = Enter {
            winograd: self,
            zeros,
            to,
        };
        let each = Each {
            work,
            tiles: range,
            first,
        };
        each.run(self.filters.set(), tiles);
    }

    /// Multiplies the tiles' values at one pair of points by the filters'.
    fn multiply(
        &self,
        pair: usize,
        rows: &Rows,
        from: Place,
        to: Place,
        (sources, targets): &mut (Vec<*const f32>, Vec<*mut f32>),
    ) {
        let tiles = rows.of_pair(pair);
        sources.clear();
        sources.extend(tiles.iter().map(|&tile| from.at(pair, tile).cast_const()));
        targets.clear();
        targets.extend(tiles.iter().map(|&tile| to.at(pair, tile)));
        let product = Product {
            weights: self.filters,
            matrix: pair,
            panels: 0..self.filters.count(),
            sources,
            run: from.channels,
            targets,
            finish: Finish::default(),
        };
        // SAFETY: both rooms hold a row for every pair and tile; the inputs were written before,
        // and no other task writes to this pair's products.
        unsafe { product.compute() };
    }

    /// Transforms the products of tiles back into the output.
    fn leave(&self, tiles: &Tiles, range: Range<usize>, first: usize, from: Place, to: Shared) {
        let work = Leave {
            winograd: self,
            from,
            to,
        };
        let each = Each {
            work,
            tiles: range,
            first,
        };
        each.run(self.filters.set(), tiles);
    }
}

/// For each pair of points, which tiles need it.
struct Rows([[Vec<usize>; 3]; 3]);

impl Rows {
    fn of(tiles: &Tiles, range: Range<usize>) -> Self {
        let at_least = |rows: usize, columns: usize| {
            let needs = |tile: &Tile| tile.rows.1 >= rows && tile.columns.1 >= columns;
            let range = range.clone();
            (0..range.len())
                .filter(|offset| needs(&tiles.get(range.start + offset)))
                .collect()
        };
        Self([2, 3, 4].map(|rows| [2, 3, 4].map(|columns| at_least(rows, columns))))
    }

    fn of_pair(&self, pair: usize) -> &[usize] {
        &self.0[NEEDED_BY[pair / POINTS] - 2][NEEDED_BY[pair % POINTS] - 2]
    }
}

/// Something done to one tile of `Y` × `X` outputs.
trait ByTile: Copy {
    fn tile<S: Simd, const Y: usize, const X: usize>(self, simd: S, tile: Tile, place: usize);
}

/// Runs `work` on tiles; `first` is the one at place 0. The kernels are called through their
/// addresses: inlined side by side, the compiler would merge them.
struct Each<W> {
    work: W,
    tiles: Range<usize>,
    first: usize,
}

impl<W: ByTile> Each<W> {
    fn run(self, set: InstructionSet, tiles: &Tiles) {
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
fn run_tile<W: ByTile, const Y: usize, const X: usize>(
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

/// The transform of a tile's input.
#[derive(Clone, Copy)]
struct Enter<'a> {
    winograd: &'a Winograd<'a>,
    zeros: &'a [f32],
    to: Place,
}

impl ByTile for Enter<'_> {
    #[inline(always)]
    fn tile<S: Simd, const Y: usize, const X: usize>(self, simd: S, tile: Tile, place: usize) {
        let (_, h, w, c) = self.winograd.maps;
        let mut pixels = [[self.zeros.as_ptr(); POINTS]; POINTS];
        for (i, row) in pixels.iter_mut().take(Y + 2).enumerate() {
            let Some(y) = (tile.rows.0 + i).checked_sub(self.winograd.border.0) else {
                continue;
            };
            for (j, pixel) in row.iter_mut().take(X + 2).enumerate() {
                if let Some(x) = (tile.columns.0 + j).checked_sub(self.winograd.border.1)
                    && y < h
                    && x < w
                {
                    *pixel = self.winograd.input[((tile.map * h + y) * w + x) * c..].as_ptr();
                }
            }
        }
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
    /// One vector of channels, of which `used` are there (all of them, if `FULL`).
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
                // SAFETY: each pointer is that of a pixel's channels, or of as many zeros; `used`
                // of them lie from `channel` on.
                line[j] = unsafe {
                    let at = pixels[i][j].add(channel);
                    if FULL {
                        load::<S>(at)
                    } else {
                        simd.partial_load_f32s(std::slice::from_raw_parts(at, used))
                    }
                };
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
                // SAFETY: the room holds the channels of this tile at this pair of points, and
                // no other task writes to this tile.
                unsafe {
                    let at = self.to.at(y * POINTS + x, place).add(channel);
                    if FULL {
                        store::<S>(at, column[y]);
                    } else {
                        let slice = std::slice::from_raw_parts_mut(at, used);
                        simd.partial_store_f32s(slice, column[y]);
                    }
                }
            }
        }
    }
}

/// The transform of a tile's products into the output.
#[derive(Clone, Copy)]
struct Leave<'a> {
    winograd: &'a Winograd<'a>,
    from: Place,
    to: Shared,
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
            && !is_vectorised(activation)
        {
            for i in 0..Y {
                for j in 0..X {
                    if let Some(at) = self.pixel(tile, i, j) {
                        // SAFETY: as in `vector`; this task just wrote there.
                        activation.apply(unsafe { std::slice::from_raw_parts_mut(at, filters) });
                    }
                }
            }
        }
    }
}

impl Leave<'_> {
    /// Where a pixel of the tile is stored, if it is inside the output.
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
        // SAFETY: the slice has the values of a vector, if `FULL`.
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
                // SAFETY: the pixel lies inside the output, and belongs to this tile alone.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_cut_into_tiles_without_a_rest() {
        let sizes = |length| -> Vec<usize> { sides(length).iter().map(|s| s.1).collect() };
        assert_eq!(sizes(8), [4, 4]);
        assert_eq!(sizes(7), [4, 3]);
        assert_eq!(sizes(14), [4, 4, 3, 3]);
        assert_eq!(sizes(5), [3, 2]);
        assert_eq!(sizes(3), [3]);
        assert_eq!(sizes(1), [2]);
        for length in 2..40 {
            assert_eq!(sizes(length).iter().sum::<usize>(), length);
        }
    }
}
