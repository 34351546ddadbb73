//! Arrays in memory.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::element::Element;
use super::{FormatError, npy, numpy};
use crate::Error;

/// An array of numbers or texts with any number of axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Numbers {
        element: Element,
        big_endian: bool,
        /// Whether values are stored in Fortran order, not in C order.
        first_axis_fastest: bool,
        /// The stored values. Their number matches the shape and the element.
        bytes: Vec<u8>,
    },
    /// In C order.
    Texts(Vec<String>),
}

/// Reads an array from a pickle of any protocol or from an `.npy` file, recognised by the first bytes.
///
/// A pickle may contain a NumPy array of numbers or texts (or of objects that are numbers or texts), or
/// lists and tuples of these. Needs as much memory as the file's length, and as much again for texts.
///
/// # Errors
/// [`Error::File`] for a file that cannot be read, [`Error::Format`] for a file that is not an array.
pub fn read_array(path: &Path) -> Result<Array, Error> {
    let metadata = std::fs::metadata(path).map_err(Error::file(path))?;
    // Opening a named pipe would block for ever.
    if !metadata.is_file() {
        let detail = "is not a file; give a pickled array or an .npy file".into();
        let path = path.into();
        return Err(Error::Layout { path, detail });
    }
    let mut file = File::open(path).map_err(Error::file(path))?;
    let mut magic = Vec::new();
    let read = (&mut file)
        .take(npy::MAGIC.len() as u64)
        .read_to_end(&mut magic);
    read.and_then(|_| file.seek(SeekFrom::Start(0)))
        .map_err(Error::file(path))?;
    let reader = BufReader::with_capacity(1 << 16, file);
    let array = if magic == npy::MAGIC {
        npy::read(reader, metadata.len())
    } else {
        numpy::read(reader, metadata.len())
    };
    array.map_err(|error| error.at(path))
}

/// The error of a reader, without the path.
pub(super) enum ReadError {
    Io(std::io::Error),
    Format(FormatError),
}

impl From<FormatError> for ReadError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl ReadError {
    /// For `map_err` on reads: a file that ends too early is damaged; other errors are the system's.
    pub fn reading(format: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| {
            if error.raw_os_error().is_some() {
                return Self::Io(error);
            }
            let detail = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => "it ends too early".into(),
                _ => error.to_string(),
            };
            Self::Format(FormatError::Damaged { format, detail })
        }
    }

    pub fn at(self, path: &Path) -> Error {
        match self {
            Self::Io(source) => Error::file(path)(source),
            Self::Format(reason) => Error::Format {
                path: path.into(),
                reason,
            },
        }
    }
}

impl Array {
    /// Lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The length of the first axis; 0 if there is none.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// How many values a row holds.
    pub fn row_length(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// The texts in C order, if it contains texts.
    pub fn texts(&self) -> Option<&[String]> {
        match &self.content {
            Content::Texts(texts) => Some(texts),
            Content::Numbers { .. } => None,
        }
    }

    /// The numbers at `row` of the first axis, in C order; `None` if it contains texts.
    ///
    /// # Panics
    /// If `row` is not less than [`rows`](Self::rows).
    pub fn row(&self, row: usize) -> Option<Vec<f64>> {
        assert!(row < self.rows(), "row {row} of {}", self.rows());
        let Content::Numbers {
            element,
            big_endian,
            first_axis_fastest,
            bytes,
        } = &self.content
        else {
            return None;
        };
        let size = element.size();
        let value = |at: usize| element.value(&bytes[at * size..], *big_endian);
        let length = self.row_length();
        if !first_axis_fastest {
            return Some((row * length..(row + 1) * length).map(value).collect());
        }
        // The step along an axis is the product of the axes before it.
        let mut step = self.shape[0];
        let mut steps = Vec::new();
        for &side in &self.shape[1..] {
            steps.push(step);
            step *= side;
        }
        let place = |mut index: usize| {
            let mut at = row;
            for (&side, step) in self.shape[1..].iter().zip(&steps).rev() {
                at += index % side * step;
                index /= side;
            }
            at
        };
        Some((0..length).map(|index| value(place(index))).collect())
    }
}

/// Number of values of an array of this shape, if it does not overflow.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    // With an axis of length 0 there are no values, whatever the other axes are.
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1usize, |count, &side| count.checked_mul(side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_in_either_order() {
        let array = |shape: &[usize], first_axis_fastest, bytes: Vec<u8>| Array {
            shape: shape.into(),
            content: Content::Numbers {
                element: Element::U8,
                big_endian: false,
                first_axis_fastest,
                bytes,
            },
        };
        // numpy.arange(12).reshape(2, 3, 2), and its tobytes('F').
        let c = array(&[2, 3, 2], false, (0..12).collect());
        let f = array(&[2, 3, 2], true, vec![0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
        for row in 0..2 {
            let expected: Vec<f64> = (0..6).map(|i| f64::from(i + 6 * row)).collect();
            assert_eq!(c.row(row as usize), Some(expected.clone()));
            assert_eq!(f.row(row as usize), Some(expected));
        }
    }

    #[test]
    fn the_number_of_values_may_overflow() {
        assert_eq!(count(&[usize::MAX, 2]), None);
        assert_eq!(count(&[usize::MAX, 2, 0]), Some(0));
        assert_eq!(count(&[]), Some(1));
    }
}
