//! What stands under each window of a convolution, gathered into rows (im2col): the gradient of the
//! weights is a product over all windows of a batch, which wants them side by side.

use std::ops::Range;

use crate::buffer::Buffer;

/// Values of a panel: 1.5 MB, about a core's share of cache.
const PANEL: usize = 400_000;

/// Which input pixels stand under each of a lattice of windows.
pub(super) struct Gather<'a> {
    /// Feature maps as stored, `N, H, W, C`.
    pub input: &'a [f32],
    /// Rows, columns and channels of one map.
    pub map: (usize, usize, usize),
    /// The channels that are gathered.
    pub channels: Range<usize>,
    /// Rows and columns of the lattice of windows in each map.
    pub lattice: (usize, usize),
    /// Rows and columns of input pixels from one window to the next.
    pub step: (usize, usize),
    /// Offset of each tap from its window's origin.
    pub taps: &'a [(isize, isize)],
}

impl Gather<'_> {
    /// Values in one row of the panel.
    pub fn depth(&self) -> usize {
        self.taps.len() * self.channels.len()
    }

    /// Whether the panel would equal the input itself.
    fn is_plain(&self) -> bool {
        let (h, w, c) = self.map;
        self.taps == [(0, 0)]
            && self.step == (1, 1)
            && self.lattice == (h, w)
            && self.channels == (0..c)
    }

    /// The rows of the panel for these windows (numbered through all maps): gathered into
    /// `scratch`, or, where they lie in the input just so, borrowed from there.
    pub fn rows<'s>(&'s self, windows: Range<usize>, scratch: &'s mut Buffer) -> &'s [f32] {
        let depth = self.depth();
        if self.is_plain() {
            return &self.input[windows.start * depth..windows.end * depth];
        }
        let len = windows.len() * depth;
        scratch.resize(len);
        for (window, row) in windows.zip(scratch.chunks_exact_mut(depth)) {
            self.row(window, row);
        }
        scratch
    }

    fn row(&self, window: usize, row: &mut [f32]) {
        let (h, w, c) = self.map;
        let x = window % self.lattice.1;
        let y = window / self.lattice.1 % self.lattice.0;
        let n = window / (self.lattice.0 * self.lattice.1);
        let (top, left) = ((y * self.step.0) as isize, (x * self.step.1) as isize);
        let width = self.channels.len();
        let mut tap = 0;
        let mut at = 0;
        while tap < self.taps.len() {
            let (dy, dx) = self.taps[tap];
            let (iy, ix) = (top + dy, left + dx);
            let row_inside = iy >= 0 && iy < h as isize;
            // Taps that are neighbours in the input are copied as one run.
            let mut run = 1;
            if width == c && row_inside && ix >= 0 {
                while tap + run < self.taps.len()
                    && self.taps[tap + run] == (dy, dx + run as isize)
                    && ix + (run as isize) < w as isize
                {
                    run += 1;
                }
            }
            let target = &mut row[at..at + run * width];
            if row_inside && ix >= 0 && ix < w as isize {
                let start = ((n * h + iy as usize) * w + ix as usize) * c + self.channels.start;
                target.copy_from_slice(&self.input[start..start + run * width]);
            } else {
                target.fill(0.0);
            }
            tap += run;
            at += run * width;
        }
    }
}

/// Windows that are worked on as one block: it depends on the layer's size only, so that results
/// do not depend on the number of threads.
pub(super) fn block_rows(depth: usize) -> usize {
    (PANEL / depth).clamp(128, 1024)
}
