//! Direct convolution: the pixels in each window times the filters.

use rayon::prelude::*;

use super::super::panels::{Finish, Panels, Product, TILE, roomy, whole_tiles, with_room};
use super::super::simd::Shared;
use crate::runtime::buffer::Buffer;

/// Windows on a lattice over feature maps, and the positions of their results.
pub(super) struct Lattice<'a> {
    /// Feature maps as stored, `N, H, W, C`.
    pub input: &'a [f32],
    /// Number, rows, columns and channels of the maps.
    pub maps: (usize, usize, usize, usize),
    /// Rows and columns of the lattice in each map.
    pub windows: (usize, usize),
    /// The stride: rows and columns of input pixels between windows.
    pub step: (usize, usize),
    /// Offset of each tap from its window's origin.
    pub taps: &'a [(isize, isize)],
    /// Rows, columns and channels of one map of the results.
    pub results: (usize, usize, usize),
    /// The position of the first result in a map, and the rows and columns between results.
    pub places: ((usize, usize), (usize, usize)),
}

/// Windows that one task multiplies with all its panels, so that each panel is read from cache once for all
/// of them.
const TASK: usize = TILE * 8;

/// Number of tasks for a small layer, so that cores do not wait long for the last one.
const TASKS: usize = 12;

impl Lattice<'_> {
    /// The result of every window for every filter. `filters` has one matrix
    /// `[taps · channels of the group, filters of the group]` per group.
    pub fn convolve(&self, filters: &[Panels], finish: Finish, output: &mut [f32]) {
        if self.is_shallow() {
            self.padded(|padded| padded.convolve_runs(filters, finish, output));
        } else {
            self.convolve_runs(filters, finish, output);
        }
    }

    /// Whether the runs of single taps would be too short for the kernel.
    pub(super) fn is_shallow(&self) -> bool {
        self.maps.3 < 16 && self.taps.len() > 1
    }

    /// Calls `then` with the same lattice over padded maps that contain all pixels of the windows, so that
    /// adjacent taps are one run.
    pub(super) fn padded<R>(&self, then: impl FnOnce(&Lattice) -> R) -> R {
        let (n, h, w, c) = self.maps;
        let reach =
            |of: fn(&(isize, isize)) -> isize, windows: usize, step: usize, length: usize| {
                let lowest = self.taps.iter().map(of).min().unwrap_or(0).min(0);
                let highest = self.taps.iter().map(of).max().unwrap_or(0);
                let end = (windows.saturating_sub(1) * step) as isize + highest + 1;
                (
                    lowest.unsigned_abs(),
                    (end.max(length as isize) - lowest) as usize,
                )
            };
        let (top, rows) = reach(|t| t.0, self.windows.0, self.step.0, h);
        let (left, columns) = reach(|t| t.1, self.windows.1, self.step.1, w);
        let mut input = Buffer::unspecified(n * rows * columns * c);
        input
            .par_chunks_mut(columns * c)
            .with_min_len(16)
            .enumerate()
            .for_each(|(row, values)| {
                let (map, y) = (row / rows, row % rows);
                if y < top || y >= top + h {
                    values.fill(0.0);
                    return;
                }
                let source = &self.input[(map * h + y - top) * w * c..][..w * c];
                values[..left * c].fill(0.0);
                values[left * c..(left + w) * c].copy_from_slice(source);
                values[(left + w) * c..].fill(0.0);
            });
        let taps: Vec<(isize, isize)> = self
            .taps
            .iter()
            .map(|&(dy, dx)| (dy + top as isize, dx + left as isize))
            .collect();
        then(&Lattice {
            input: &input,
            maps: (n, rows, columns, c),
            taps: &taps,
            ..*self
        })
    }

    /// The taps at which runs of values start, and the number of taps in a run: all runs have the same
    /// length.
    pub(super) fn runs(&self, channels: usize) -> (Vec<(isize, isize)>, usize) {
        let follows = |i: usize| {
            let ((y, x), (before, left)) = (self.taps[i], self.taps[i - 1]);
            y == before && x == left + 1
        };
        // Runs across the edge of a map would read the next row.
        let inside = |&(y, x): &(isize, isize)| {
            let end = |windows: usize, step: usize| (windows.saturating_sub(1) * step) as isize;
            y >= 0
                && x >= 0
                && y + end(self.windows.0, self.step.0) < self.maps.1 as isize
                && x + end(self.windows.1, self.step.1) < self.maps.2 as isize
        };
        let mut length = 1;
        if channels == self.maps.3 && self.taps.iter().all(inside) {
            let first = (1..self.taps.len()).take_while(|&i| follows(i)).count() + 1;
            let even = self.taps.len().is_multiple_of(first)
                && (1..self.taps.len()).all(|i| i % first == 0 || follows(i));
            if even {
                length = first;
            }
        }
        (self.taps.iter().copied().step_by(length).collect(), length)
    }

    fn convolve_runs(&self, filters: &[Panels], finish: Finish, output: &mut [f32]) {
        let (n, h, w, c) = self.maps;
        let (rows, columns, channels) = self.results;
        let windows = n * self.windows.0 * self.windows.1;
        if windows == 0 || filters.is_empty() {
            return;
        }
        let copies = with_room(self.input, c);
        let (input, pitch) = match &copies {
            Some(copies) => (&copies[..], roomy(c)),
            None => (self.input, c),
        };
        assert_eq!(self.input.len(), n * h * w * c, "the maps are all there");
        assert_eq!(output.len(), n * rows * columns * channels);
        let (origin, spread) = self.places;
        assert!(
            origin.0 + (self.windows.0 - 1) * spread.0 < rows
                && origin.1 + (self.windows.1 - 1) * spread.1 < columns
                && filters.iter().map(Panels::columns).sum::<usize>() == channels,
            "the results have their places"
        );
        let group = c / filters.len();
        // Pixels with gaps between them are not one run.
        let (runs, taps) = match copies {
            Some(_) => (self.taps.to_vec(), 1),
            None => self.runs(group),
        };
        assert_eq!(filters[0].depth(), self.taps.len() * group);
        let zeros = vec![0.0; if taps == 1 { group } else { 0 }];
        let output = Shared::new(output);
        // The work is split by windows. If these are few, it is split by filters, so that each filter is read
        // once; if filters are few, too, it is split again by windows.
        let panels = filters[0].count();
        let blocks = windows.div_ceil(TASK);
        let parts = TASKS.div_ceil(blocks).min(panels);
        let blocks = blocks.max(TASKS.div_ceil(parts).min(windows.div_ceil(TILE)));
        (0..blocks * parts).into_par_iter().for_each_init(
            || (Vec::new(), Vec::new()),
            |(sources, targets), task| {
                let (block, part) = (task / parts, task % parts);
                let block = whole_tiles(block, blocks, windows);
                for (index, filters) in filters.iter().enumerate() {
                    sources.clear();
                    sources.resize(block.len() * runs.len(), zeros.as_ptr());
                    targets.clear();
                    // The windows of a block are processed row by row.
                    let mut first = block.start;
                    while first < block.end {
                        let x = first % self.windows.1;
                        let y = first / self.windows.1 % self.windows.0;
                        let map = first / (self.windows.0 * self.windows.1);
                        let count = (self.windows.1 - x).min(block.end - first);
                        let sources = &mut sources[(first - block.start) * runs.len()..];
                        for (index_of_run, &(dy, dx)) in runs.iter().enumerate() {
                            let y = (y * self.step.0) as isize + dy;
                            if y < 0 || y >= h as isize {
                                continue;
                            }
                            let row = &input[(map * h + y as usize) * w * pitch..][..w * pitch];
                            let row = &row[index * group..];
                            let sources = sources[index_of_run..].iter_mut().step_by(runs.len());
                            for (source, x) in sources.take(count).zip(x..) {
                                let x = (x * self.step.1) as isize + dx;
                                if x >= 0 && x < w as isize {
                                    *source = row[x as usize * pitch..].as_ptr();
                                }
                            }
                        }
                        let row = (map * rows + origin.0 + y * spread.0) * columns + origin.1;
                        targets.extend((x..x + count).map(|x| {
                            let pixel = row + x * spread.1;
                            output.at(pixel * channels + index * filters.columns())
                        }));
                        first += count;
                    }
                    let bias = finish
                        .bias
                        .map(|bias| &bias[index * filters.columns()..][..filters.columns()]);
                    let product = Product {
                        weights: filters,
                        matrix: 0,
                        panels: part * panels / parts..(part + 1) * panels / parts,
                        sources,
                        run: taps * group,
                        targets,
                        finish: Finish { bias, ..finish },
                    };
                    // SAFETY: every source is the start of a run inside one row of a map (if runs are longer
                    // than a tap, `runs` ensures that all windows are inside the maps), or of as many zeros.
                    // Every target is the pixel of one window; no other task writes its columns of this group
                    // and these panels; the assertions above bound them. A residual has the shape of the
                    // output.
                    unsafe { product.compute() };
                }
            },
        );
    }
}
