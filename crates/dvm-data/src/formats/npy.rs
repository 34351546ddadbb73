//! NumPy's `.npy` files:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::BufRead;

use super::FormatError;
use super::array::{Array, ReadError, count};
use super::dtype::{DType, Plain};

/// The first bytes of each file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

const FORMAT: &str = "NumPy (.npy)";

/// Longest header. NumPy's limit is 10,000 characters.
const HEADER: usize = 1 << 16;

/// The array in a file of `length` bytes.
pub(super) fn read(mut reader: impl BufRead, length: u64) -> Result<Array, ReadError> {
    let mut start = [0; 8];
    reader
        .read_exact(&mut start)
        .map_err(ReadError::reading(FORMAT))?;
    // The header's length has two bytes in version 1.0, and four in later ones.
    let wide = start[6] > 1;
    let mut size = [0; 4];
    let width = if wide { 4 } else { 2 };
    let read = reader.read_exact(&mut size[..width]);
    read.map_err(ReadError::reading(FORMAT))?;
    let size = u32::from_le_bytes(size) as usize;
    if size > HEADER {
        let claim = format!("its header has {size} bytes; the limit is {HEADER}");
        return Err(FormatError::Excessive { claim }.into());
    }
    let mut header = vec![0; size];
    reader
        .read_exact(&mut header)
        .map_err(ReadError::reading(FORMAT))?;
    let header = String::from_utf8_lossy(&header);
    let (name, first_axis_fastest, shape) = fields(&header).ok_or_else(|| {
        let start: String = header.chars().take(60).collect();
        damaged(format!("its header {start:?} is not in NumPy's format"))
    })?;
    let plain = name.trim_start_matches(['<', '>', '|', '=']);
    let dtype = DType::of(plain).filter(|&dtype| dtype != DType::Object);
    let dtype = dtype.ok_or_else(|| FormatError::Unsupported {
        what: format!("an array of elements of type {name:?}"),
        advice: "save it as an array of numbers or texts: numpy.save(…, array.astype(…))",
    })?;
    let claimed = count(&shape).and_then(|values| values.checked_mul(dtype.size()));
    let claimed = claimed.filter(|&bytes| bytes as u64 <= length);
    let claimed = claimed.ok_or_else(|| {
        damaged(format!(
            "an array of shape {shape:?} and type {name} does not fit into {length} bytes"
        ))
    })?;
    let mut bytes = vec![0; claimed];
    reader
        .read_exact(&mut bytes)
        .map_err(ReadError::reading(FORMAT))?;
    Plain {
        shape,
        dtype,
        big_endian: name.starts_with('>'),
        first_axis_fastest,
        bytes,
    }
    .array()
}

fn damaged(detail: String) -> ReadError {
    FormatError::Damaged {
        format: FORMAT,
        detail,
    }
    .into()
}

/// Type, order and shape from `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
///
/// NumPy writes a dictionary of exactly these three with `repr`; only the order varies.
fn fields(header: &str) -> Option<(&str, bool, Vec<usize>)> {
    let value = |key: &str| Some(header.split_once(key)?.1.trim_start_matches([':', ' ']));
    let descr = value("'descr'")?.strip_prefix('\'')?;
    let (name, _) = descr.split_once('\'')?;
    let order = value("'fortran_order'")?;
    let first_axis_fastest = match () {
        () if order.starts_with("True") => true,
        () if order.starts_with("False") => false,
        () => return None,
    };
    let (sides, _) = value("'shape'")?.strip_prefix('(')?.split_once(')')?;
    // Python 2 on Windows wrote long integers: `(2L, 3L)`.
    let sides = sides
        .split(',')
        .map(|side| side.trim().trim_end_matches('L'));
    let shape: Option<Vec<usize>> = sides
        .filter(|side| !side.is_empty())
        .map(|side| side.parse().ok())
        .collect();
    Some((
        name,
        first_axis_fastest,
        shape.filter(|shape| shape.len() <= 8)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_with_keys_in_any_order() {
        let expected = Some(("<f4", false, vec![2, 3]));
        for header in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n",
            "{'shape': (2L, 3L), 'fortran_order': False, 'descr': '<f4'}",
        ] {
            assert_eq!(fields(header), expected);
        }
        assert_eq!(
            fields("{'descr': '|u1', 'fortran_order': True, 'shape': (7,), }"),
            Some(("|u1", true, vec![7]))
        );
        for header in [
            "",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
            "{'descr': '<f4', 'fortran_order': maybe, 'shape': (2,)}",
            "{'descr': '<f4', 'shape': (2,)}",
        ] {
            assert_eq!(fields(header), None, "{header}");
        }
    }
}
