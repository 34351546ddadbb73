//! Putting together what an op reads: what changed, what did not, and the border around the map.

use std::ops::Range;

use rayon::prelude::*;

use super::Rectangle;
use super::plan::Needed;
use crate::buffer::Buffer;

/// A value of the graph for a batch of changes: the picture's own, with a part replaced.
pub(super) struct Source<'a> {
    /// The value for the picture itself, channels last.
    pub base: &'a [f32],
    /// Rows and columns of its map.
    pub extent: (usize, usize),
    /// Values per pixel.
    pub channels: usize,
    /// What is different for each change; empty where nothing is different for any.
    pub pieces: Vec<Piece<'a>>,
}

/// The part of a value that one change makes different.
pub(super) struct Piece<'a> {
    /// The patch that holds it, channels last.
    pub patch: &'a [f32],
    /// Where the patch lies on the map.
    pub origin: (usize, usize),
    /// Columns of the patch.
    pub width: usize,
    /// The part of the map that is read from the patch.
    pub exact: &'a Rectangle,
}

impl Source<'_> {
    /// What is needed of it, change by change, for the changes `batch`; [`Source::pieces`] are
    /// those of this batch.
    pub fn assembled(&self, needed: &Needed, batch: Range<usize>) -> Buffer {
        let len = needed.size.0 * needed.size.1 * self.channels;
        let mut assembled = Buffer::stale(batch.len() * len);
        assembled
            .par_chunks_mut(len)
            .zip(&needed.origins[batch])
            .enumerate()
            .for_each(|(change, (target, &origin))| {
                let piece = self.pieces.get(change);
                self.assemble(piece, origin, needed, target);
            });
        assembled
    }

    fn assemble(
        &self,
        piece: Option<&Piece>,
        origin: (isize, isize),
        needed: &Needed,
        target: &mut [f32],
    ) {
        let c = self.channels;
        let (height, width) = self.extent;
        // The columns of the map that are needed, and which of them lie in the changed part.
        let end = (origin.1 + needed.size.1 as isize).clamp(0, width as isize) as usize;
        let start = (origin.1.max(0) as usize).min(end);
        let at = |column: usize| (column as isize - origin.1) as usize * c;
        for (row, values) in target.chunks_exact_mut(needed.size.1 * c).enumerate() {
            let y = origin.0 + row as isize;
            if y < 0 || y >= height as isize || start == end {
                values.fill(needed.border);
                continue;
            }
            let y = y as usize;
            values[..at(start)].fill(needed.border);
            values[at(end)..].fill(needed.border);
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
