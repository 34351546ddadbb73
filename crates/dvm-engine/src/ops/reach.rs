//! The reach of an op: which outputs can change if a part of its input changes.

use std::ops::Range;
use std::sync::Arc;

use super::Op;
use super::conv2d::Border;
use super::resample::Continuation;

/// The part of a feature map that an output value is computed from.
#[derive(Clone, Debug)]
pub enum Reach {
    /// The pixel at the same position.
    Pointwise,
    /// The pixels in a window that slides over the map.
    Sliding {
        /// The window along the rows.
        rows: Axis,
        /// The window along the columns.
        columns: Axis,
        /// The value of pixels outside of the map.
        border: f32,
        /// The same op without padding, for an input that already has its border. It has the same parameters,
        /// packed or not.
        unpadded: Arc<dyn Op>,
    },
    /// The pixel at the same position of a map with a border that repeats its pixels.
    Continued {
        /// Width of the border.
        border: Border,
        /// Which pixels of the map the border repeats.
        by: Continuation,
        /// The same op without padding, for an input that already has its border.
        unpadded: Arc<dyn Op>,
    },
    /// The whole map.
    Everything,
}

/// A window that slides along one axis: output `i` is computed from the input positions
/// `i · stride − before .. i · stride − before + kernel`, some of which may be outside of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Positions from the first that the window reads to the last, inclusive.
    pub kernel: usize,
    /// The stride.
    pub stride: usize,
    /// Positions of the first window that are before the map.
    pub before: usize,
}

impl Axis {
    /// The windows, of `outputs` in total, that read any of these input positions.
    pub fn reached(self, inputs: &Range<usize>, outputs: usize) -> Range<usize> {
        if inputs.is_empty() {
            return 0..0;
        }
        let passed = match (inputs.start + self.before).checked_sub(self.kernel) {
            Some(beyond) => beyond / self.stride + 1,
            None => 0,
        };
        let end = (inputs.end + self.before).div_ceil(self.stride);
        passed.min(outputs)..end.min(outputs)
    }

    /// The first input position that this window reads; negative if it is before the map.
    pub fn origin(self, output: usize) -> isize {
        (output * self.stride) as isize - self.before as isize
    }

    /// Number of input positions, from first to last, that this many consecutive windows read.
    pub fn span(self, outputs: usize) -> usize {
        outputs.saturating_sub(1) * self.stride + self.kernel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn axis(kernel: usize, stride: usize, before: usize) -> Axis {
        Axis {
            kernel,
            stride,
            before,
        }
    }

    #[test]
    fn the_windows_that_read_a_pixel_are_found() {
        // Kernel, stride, padding; changed inputs; number of outputs; outputs reached.
        let table = [
            (axis(1, 1, 0), 3..5, 9, 3..5),
            (axis(3, 1, 1), 3..5, 9, 2..6),
            (axis(3, 1, 1), 0..1, 9, 0..2),
            (axis(3, 1, 1), 8..9, 9, 7..9),
            (axis(3, 2, 1), 4..5, 5, 2..3),
            (axis(3, 2, 1), 3..4, 5, 1..3),
            (axis(7, 2, 3), 10..30, 112, 4..17),
            (axis(5, 1, 0), 0..9, 5, 0..5),
            (axis(1, 2, 0), 3..4, 4, 2..2),
            (axis(2, 3, 0), 2..3, 3, 1..1),
            (axis(2, 3, 0), 2..4, 3, 1..2),
            (axis(3, 2, 0), 7..7, 4, 0..0),
        ];
        for (axis, inputs, outputs, expected) in table {
            let found = axis.reached(&inputs, outputs);
            assert_eq!(found, expected, "{axis:?} over {inputs:?}");
        }
    }

    #[test]
    fn an_output_is_reached_if_and_only_if_its_window_reads_a_changed_pixel() {
        let length = 11;
        for (kernel, stride, before) in [(1, 1, 0), (3, 1, 1), (3, 2, 0), (5, 3, 2), (2, 3, 1)] {
            let axis = axis(kernel, stride, before);
            let outputs = (length + 2 * before - kernel) / stride + 1;
            for (start, end) in (0..length).flat_map(|s| (s + 1..=length).map(move |e| (s, e))) {
                let reached = axis.reached(&(start..end), outputs);
                for output in 0..outputs {
                    let first = axis.origin(output);
                    let reads = (first..first + kernel as isize)
                        .any(|p| p >= start as isize && p < end as isize);
                    assert_eq!(
                        reached.contains(&output),
                        reads,
                        "{axis:?}, {start}..{end}, {output}"
                    );
                }
            }
        }
    }

    #[test]
    fn windows_read_from_the_first_pixel_of_the_first_to_the_last_of_the_last() {
        assert_eq!((axis(3, 1, 1).origin(0), axis(3, 1, 1).span(4)), (-1, 6));
        assert_eq!((axis(7, 2, 3).origin(5), axis(7, 2, 3).span(13)), (7, 31));
        assert_eq!((axis(1, 2, 0).origin(3), axis(1, 2, 0).span(1)), (6, 1));
    }
}
