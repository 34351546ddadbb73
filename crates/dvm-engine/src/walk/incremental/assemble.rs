//! Assembles an op's input: the changed part, the base values, and the border around the map.

use std::ops::Range;

use rayon::prelude::*;

use super::Rectangle;
use super::plan::{Needed, Outside};
use crate::ops::resample::Continuation;
use crate::runtime::buffer::Buffer;

/// A value of the graph for a batch of changes: the base picture's value, with a part replaced.
pub(super) struct Source<'a> {
    /// The value for the base picture, channels last.
    pub base: &'a [f32],
    /// Rows and columns of its map.
    pub extent: (usize, usize),
    /// Values per pixel.
    pub channels: usize,
    /// The changed part for each change; empty if nothing differs for any.
    pub pieces: Vec<Piece<'a>>,
    /// Whether a change is made on top of those before it in the batch, not of the base picture.
    pub is_series: bool,
}

/// The part of a value that one change alters.
pub(super) struct Piece<'a> {
    /// The patch that contains it, channels last.
    pub patch: &'a [f32],
    /// The top left corner of the patch on the map.
    pub origin: (usize, usize),
    /// Columns of the patch.
    pub width: usize,
    /// The part of the map that is read from the patch.
    pub exact: &'a Rectangle,
}

/// Rows and columns of a map that may extend beyond its edges.
struct Window {
    rows: Range<isize>,
    columns: Range<isize>,
}

impl Window {
    fn new((y, x): (isize, isize), (height, width): (usize, usize)) -> Self {
        Self {
            rows: y..y + height as isize,
            columns: x..x + width as isize,
        }
    }

    /// Whether it is entirely inside a map of this extent.
    fn lies_on_the_map(&self, (height, width): (usize, usize)) -> bool {
        let within =
            |range: &Range<isize>, end: usize| range.start >= 0 && range.end <= end as isize;
        within(&self.rows, height) && within(&self.columns, width)
    }

    /// The part of it inside a map of this extent.
    fn on_the_map(&self, (height, width): (usize, usize)) -> Rectangle {
        let within = |range: &Range<isize>, end: usize| {
            let at = |place: isize| place.clamp(0, end as isize) as usize;
            at(range.start)..at(range.end)
        };
        Rectangle {
            rows: within(&self.rows, height),
            columns: within(&self.columns, width),
        }
    }
}

/// The range from the smallest to the largest of these positions.
fn around(positions: &[usize]) -> Option<Range<isize>> {
    let (first, last) = (positions.iter().min()?, positions.iter().max()?);
    Some(*first as isize..*last as isize + 1)
}

/// Of pieces that overwrite each other in order, those that are visible in `window`: the last that covers all
/// of it, and those after it.
fn last_to_show<'s, 'a>(pieces: &'s [Piece<'a>], window: &Rectangle) -> &'s [Piece<'a>] {
    let covers = |piece: &Piece| {
        let covered = |range: &Range<usize>, all: &Range<usize>| {
            range.start <= all.start && range.end >= all.end
        };
        covered(&piece.exact.rows, &window.rows) && covered(&piece.exact.columns, &window.columns)
    };
    &pieces[pieces.iter().rposition(covers).unwrap_or(0)..]
}

/// Writes pieces into a whole map of this extent, in order.
pub(super) fn lay_all(pieces: &[Piece], extent: (usize, usize), channels: usize, map: &mut [f32]) {
    let whole = Window::new((0, 0), extent);
    for piece in last_to_show(pieces, &Rectangle::whole(extent)) {
        piece.lay(&whole, channels, map);
    }
}

impl Piece<'_> {
    /// Writes this piece into the values of a window.
    fn lay(&self, window: &Window, channels: usize, values: &mut [f32]) {
        let seen = |exact: &Range<usize>, range: &Range<isize>| {
            let from = (exact.start as isize).max(range.start);
            from..(exact.end as isize).min(range.end).max(from)
        };
        let rows = seen(&self.exact.rows, &window.rows);
        let columns = seen(&self.exact.columns, &window.columns);
        let len = columns.len() * channels;
        if len == 0 {
            return;
        }
        let width = window.columns.len();
        for y in rows {
            let own =
                (y as usize - self.origin.0) * self.width + columns.start as usize - self.origin.1;
            let to = (y - window.rows.start) as usize * width
                + (columns.start - window.columns.start) as usize;
            values[to * channels..][..len].copy_from_slice(&self.patch[own * channels..][..len]);
        }
    }
}

impl Source<'_> {
    /// The needed part of this value for each of the changes `batch`, to which [`Source::pieces`] belong.
    pub fn assembled(&self, needed: &Needed, batch: Range<usize>) -> Buffer {
        let len = needed.size.0 * needed.size.1 * self.channels;
        let mut assembled = Buffer::unspecified(batch.len() * len);
        assembled
            .par_chunks_mut(len)
            .zip(&needed.origins[batch])
            .enumerate()
            .for_each(|(change, (target, &origin))| {
                let made = match self.is_series {
                    true => &self.pieces[..self.pieces.len().min(change + 1)],
                    false => self.pieces.get(change..change + 1).unwrap_or(&[]),
                };
                self.show(
                    made,
                    &Window::new(origin, needed.size),
                    needed.outside,
                    target,
                );
            });
        assembled
    }

    /// The values of a window of the base value with these pieces written into it, in order.
    fn show(&self, made: &[Piece], window: &Window, outside: Outside, target: &mut [f32]) {
        let value = match outside {
            Outside::Value(value) => value,
            Outside::Continued(by) if !window.lies_on_the_map(self.extent) => {
                return self.show_continued(made, window, by, target);
            }
            Outside::Continued(_) => 0.0,
        };
        let made = last_to_show(made, &window.on_the_map(self.extent));
        self.assemble(made.first(), window, value, target);
        for piece in made.iter().skip(1) {
            piece.lay(window, self.channels, target);
        }
    }

    /// The same where pixels of the map itself extend it beyond its edges: the map pixels that the window
    /// repeats are assembled first.
    fn show_continued(
        &self,
        made: &[Piece],
        window: &Window,
        by: Continuation,
        target: &mut [f32],
    ) {
        let along = |places: &Range<isize>, side: usize| -> Vec<usize> {
            places.clone().map(|at| by.pixel(at, side)).collect()
        };
        let rows = along(&window.rows, self.extent.0);
        let columns = along(&window.columns, self.extent.1);
        let (Some(within_rows), Some(within_columns)) = (around(&rows), around(&columns)) else {
            return;
        };
        let c = self.channels;
        let (top, left) = (within_rows.start, within_columns.start);
        let width = within_columns.len();
        let mut values = Buffer::unspecified(within_rows.len() * width * c);
        let source = Window {
            rows: within_rows,
            columns: within_columns,
        };
        self.show(made, &source, Outside::NOTHING, &mut values);
        for (row, target) in rows.iter().zip(target.chunks_exact_mut(columns.len() * c)) {
            let values = &values[(*row as isize - top) as usize * width * c..][..width * c];
            for (column, pixel) in columns.iter().zip(target.chunks_exact_mut(c)) {
                pixel.copy_from_slice(&values[(*column as isize - left) as usize * c..][..c]);
            }
        }
    }

    fn assemble(&self, piece: Option<&Piece>, window: &Window, border: f32, target: &mut [f32]) {
        let origin = (window.rows.start, window.columns.start);
        let columns = window.columns.len();
        let c = self.channels;
        let (height, width) = self.extent;
        // The columns of the map that are needed.
        let end = window.columns.end.clamp(0, width as isize) as usize;
        let start = (origin.1.max(0) as usize).min(end);
        let at = |column: usize| (column as isize - origin.1) as usize * c;
        for (row, values) in target.chunks_exact_mut(columns * c).enumerate() {
            let y = origin.0 + row as isize;
            if y < 0 || y >= height as isize || start == end {
                values.fill(border);
                continue;
            }
            let y = y as usize;
            values[..at(start)].fill(border);
            values[at(end)..].fill(border);
            let base = &self.base[y * width * c..][..width * c];
            let mut copy_base = |columns: Range<usize>| {
                values[at(columns.start)..at(columns.end)]
                    .copy_from_slice(&base[columns.start * c..columns.end * c]);
            };
            let Some(piece) = piece.filter(|piece| piece.exact.rows.contains(&y)) else {
                copy_base(start..end);
                continue;
            };
            let first = piece.exact.columns.start.clamp(start, end);
            let last = piece.exact.columns.end.clamp(first, end);
            copy_base(start..first);
            copy_base(last..end);
            if first < last {
                let from = (y - piece.origin.0) * piece.width + first - piece.origin.1;
                values[at(first)..at(last)]
                    .copy_from_slice(&piece.patch[from * c..(from + last - first) * c]);
            }
        }
    }
}
