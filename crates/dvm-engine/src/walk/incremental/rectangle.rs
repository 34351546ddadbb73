//! Rectangles of feature maps, and how an op carries them from its input to its output.

use std::ops::Range;

use crate::ops::Reach;

/// A range of rows and columns of a feature map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rectangle {
    /// The rows.
    pub rows: Range<usize>,
    /// The columns.
    pub columns: Range<usize>,
}

impl Rectangle {
    /// No pixels.
    pub const EMPTY: Self = Self {
        rows: 0..0,
        columns: 0..0,
    };

    /// A whole map of this many rows and columns.
    pub fn whole((height, width): (usize, usize)) -> Self {
        Self {
            rows: 0..height,
            columns: 0..width,
        }
    }

    /// Whether it contains no pixel.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() || self.columns.is_empty()
    }

    /// The number of rows and of columns.
    pub fn size(&self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }

    /// The smallest rectangle that contains both.
    #[must_use]
    pub(super) fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let join = |a: Range<usize>, b: Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        Self {
            rows: join(self.rows, other.rows),
            columns: join(self.columns, other.columns),
        }
    }

    /// The outputs, on a map of `height` × `width`, that can differ when this part of the input does.
    pub(super) fn reached(&self, reach: &Reach, (height, width): (usize, usize)) -> Self {
        if self.is_empty() {
            return Self::EMPTY;
        }
        match reach {
            Reach::Pointwise => self.clone(),
            Reach::Sliding { rows, columns, .. } => {
                let reached = Self {
                    rows: rows.reached(&self.rows, height),
                    columns: columns.reached(&self.columns, width),
                };
                if reached.is_empty() {
                    Self::EMPTY
                } else {
                    reached
                }
            }
            Reach::Continued { border, by, .. } => {
                let along = |pixels: &Range<usize>, length: usize, before: usize, after: usize| {
                    by.reached(pixels, length - before - after, (before, after))
                };
                Self {
                    rows: along(&self.rows, height, border.top, border.bottom),
                    columns: along(&self.columns, width, border.left, border.right),
                }
            }
            Reach::Everything => Self::whole((height, width)),
        }
    }

    /// The top left corner of a rectangle of `size` that contains this one and is inside a map of `height` ×
    /// `width`.
    pub(super) fn placed(
        &self,
        size: (usize, usize),
        (height, width): (usize, usize),
    ) -> (usize, usize) {
        (
            self.rows.start.min(height - size.0),
            self.columns.start.min(width - size.1),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::conv2d::{Border, Conv2d, Padding};

    fn rectangle(rows: Range<usize>, columns: Range<usize>) -> Rectangle {
        Rectangle { rows, columns }
    }

    #[test]
    fn a_window_widens_by_the_kernel_and_is_clipped_at_the_edge() {
        let conv = Conv2d::square(3).padding(Padding::Fixed(Border::all(1)));
        let reach = conv.reach(0, &[&[1, 4, 9, 7]], &[]);
        let reached = rectangle(0..2, 4..7).reached(&reach, (9, 7));
        assert_eq!(reached, rectangle(0..3, 3..7));
    }

    #[test]
    fn a_pixel_that_a_stride_skips_reaches_nothing() {
        let reach = Conv2d::square(1).stride(2).reach(0, &[&[1, 4, 9, 9]], &[]);
        let reached = rectangle(0..9, 3..4).reached(&reach, (5, 5));
        assert_eq!(reached, Rectangle::EMPTY);
    }

    #[test]
    fn an_empty_rectangle_does_not_change_a_union() {
        let some = rectangle(5..6, 2..4);
        assert_eq!(some.clone().union(Rectangle::EMPTY), some);
        assert_eq!(Rectangle::EMPTY.union(some.clone()), some);
        assert_eq!(
            some.union(rectangle(0..1, 3..9)),
            rectangle(0..6, 2..9),
            "the smallest that holds both"
        );
    }

    #[test]
    fn a_larger_patch_is_shifted_into_the_map() {
        assert_eq!(rectangle(2..3, 8..9).placed((4, 4), (9, 9)), (2, 5));
        assert_eq!(rectangle(0..9, 0..9).placed((9, 9), (9, 9)), (0, 0));
    }
}
