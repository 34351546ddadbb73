//! Pictures in NumPy arrays.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use dvm_image::Whole;

use super::FormatError;
use super::array::{Array, Content, ReadError};
use super::element::Element;
use super::frame::{Frame, Values};
use super::npy;
use super::slices::Wanted;

/// The layout of the pictures in an array.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Layout {
    count: usize,
    height: usize,
    width: usize,
    /// Stored channels. A fourth is ignored.
    stored: usize,
    /// Whether channels come first.
    is_planar: bool,
}

impl Layout {
    fn of(shape: &[usize]) -> Option<Self> {
        let colours = |side: usize| matches!(side, 3 | 4);
        let layout = |count, height, width, stored, is_planar| Self {
            count,
            height,
            width,
            stored,
            is_planar,
        };
        let found = match *shape {
            [height, width] => layout(1, height, width, 1, false),
            [height, width, 1] => layout(1, height, width, 1, false),
            [height, width, c] if colours(c) => layout(1, height, width, c, false),
            [3, height, width] => layout(1, height, width, 3, true),
            [count, height, width] => layout(count, height, width, 1, false),
            [count, height, width, 1] | [count, 1, height, width] => {
                layout(count, height, width, 1, false)
            }
            [count, height, width, c] if colours(c) => layout(count, height, width, c, false),
            [count, 3, height, width] => layout(count, height, width, 3, true),
            _ => return None,
        };
        let is_empty = found.count * found.height * found.width == 0;
        (!is_empty).then_some(found)
    }
}

fn open(path: &Path) -> Result<(Array, Layout, Whole), ReadError> {
    let file = File::open(path).map_err(ReadError::Io)?;
    let length = file.metadata().map_err(ReadError::Io)?.len();
    let array = npy::read(BufReader::with_capacity(1 << 16, file), length)?;
    let unsupported = |what: String, advice| FormatError::Unsupported { what, advice };
    let Content::Numbers { element, .. } = &array.content else {
        return Err(unsupported("texts".into(), "save the pictures as numbers").into());
    };
    let whole = match element {
        Element::Bool => Whole::Stated {
            black: 0.0,
            white: 1.0,
        },
        Element::U8 => Whole::unsigned(8),
        Element::U16 => Whole::unsigned(16),
        Element::U32 => Whole::unsigned(32),
        Element::U64 => Whole::unsigned(64),
        Element::I8 => Whole::signed(8),
        Element::I16 => Whole::signed(16),
        Element::I32 => Whole::signed(32),
        Element::I64 => Whole::signed(64),
        Element::F16 | Element::F32 | Element::F64 => Whole::FLOAT,
    };
    let layout = Layout::of(array.shape()).ok_or_else(|| {
        let what = format!("an array of shape {:?}", array.shape());
        let advice = "save it with shape [H, W], [H, W, 3], [N, H, W] or [N, H, W, 3]";
        unsupported(what, advice)
    })?;
    Ok((array, layout, whole))
}

/// Number of pictures in the array.
pub(super) fn count(path: &Path) -> Result<usize, ReadError> {
    Ok(open(path)?.1.count)
}

/// Calls `each` with one picture after the other.
pub(super) fn each_frame(
    path: &Path,
    wanted: &Wanted,
    each: &mut dyn FnMut(Frame) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let (array, layout, whole) = open(path)?;
    let pixels = layout.height * layout.width;
    for index in wanted.of(layout.count) {
        let values = numbers(&array, layout, index);
        let used = layout.stored.min(3);
        let values = match (layout.stored, layout.is_planar) {
            (1, _) => values,
            (_, true) => (0..pixels)
                .flat_map(|pixel| (0..used).map(move |channel| (pixel, channel)))
                .map(|(pixel, channel)| values[channel * pixels + pixel])
                .collect(),
            (stored, false) => {
                let pixels = values.chunks_exact(stored);
                pixels.flat_map(|pixel| &pixel[..used]).copied().collect()
            }
        };
        each(Frame {
            index,
            count: layout.count,
            height: layout.height,
            width: layout.width,
            channels: used,
            values: Values::Numbers(values),
            whole,
            is_negative: false,
        })?;
    }
    Ok(())
}

/// The numbers of one picture, in C order.
fn numbers(array: &Array, layout: Layout, index: usize) -> Vec<f64> {
    let per_picture = layout.height * layout.width * layout.stored;
    if array.row_length() == per_picture && array.rows() == layout.count {
        return array.row(index).unwrap_or_default();
    }
    // One picture, whose rows (or channels) are the first axis.
    let rows = (0..array.rows()).flat_map(|row| array.row(row).unwrap_or_default());
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_pictures_are_known() {
        let of = |shape: &[usize]| {
            let layout = Layout::of(shape)?;
            Some((
                layout.count,
                layout.height,
                layout.width,
                layout.stored,
                layout.is_planar,
            ))
        };
        assert_eq!(of(&[40, 50]), Some((1, 40, 50, 1, false)));
        assert_eq!(of(&[40, 50, 4]), Some((1, 40, 50, 4, false)));
        assert_eq!(of(&[3, 40, 50]), Some((1, 40, 50, 3, true)));
        assert_eq!(of(&[20, 40, 50]), Some((20, 40, 50, 1, false)));
        assert_eq!(of(&[20, 1, 40, 50]), Some((20, 40, 50, 1, false)));
        assert_eq!(of(&[20, 3, 40, 50]), Some((20, 40, 50, 3, true)));
        assert_eq!(of(&[20, 40, 50, 3]), Some((20, 40, 50, 3, false)));
        for shape in [&[][..], &[9], &[0, 5], &[2, 3, 4, 5, 6], &[20, 40, 50, 7]] {
            assert_eq!(of(shape), None, "{shape:?}");
        }
    }
}
