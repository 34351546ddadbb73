//! NumPy files.

/// A parsed NumPy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyFile<'a> {
    /// The type of the values in NumPy's notation, such as `<f4`.
    pub descr: &'a str,
    /// The shape.
    pub shape: Vec<usize>,
    /// The bytes of the values in C order.
    pub values: &'a [u8],
}

/// Parses an `.npy` file in C order.
///
/// # Errors
/// A message that continues a sentence that starts with the file name.
pub fn parse_npy(bytes: &[u8]) -> Result<NpyFile<'_>, String> {
    let broken = || "is not a complete .npy file".to_owned();
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(broken)?;
    let (length, start) = match rest {
        [1, _, low, high, ..] => (u32::from(u16::from_le_bytes([*low, *high])), 4),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]), 6),
        _ => return Err(broken()),
    };
    let end = start + length as usize;
    let header = rest.get(start..end).ok_or_else(broken)?;
    let header = std::str::from_utf8(header).map_err(|_| broken())?;
    // The value of a key in the header, a Python dictionary.
    let field = |key: &str| {
        let after = header.split_once(&format!("'{key}':"))?.1;
        Some(after.trim_start())
    };
    let descr = field("descr").and_then(|text| text.strip_prefix('\''));
    let descr = descr
        .and_then(|text| text.split_once('\''))
        .ok_or_else(broken)?
        .0;
    if !field("fortran_order").is_some_and(|text| text.starts_with("False")) {
        return Err("is stored in Fortran order; save it with numpy.ascontiguousarray".into());
    }
    let shape = field("shape").and_then(|text| text.strip_prefix('(')?.split_once(')'));
    let shape: Vec<usize> = shape
        .ok_or_else(broken)?
        .0
        .split(',')
        .map(str::trim)
        .filter(|length| !length.is_empty())
        .map(|length| length.parse().map_err(|_| broken()))
        .collect::<Result<_, _>>()?;
    Ok(NpyFile {
        descr,
        shape,
        values: rest.get(end..).unwrap_or_default(),
    })
}

impl NpyFile<'_> {
    /// The values of a `float32` array of this shape.
    ///
    /// # Errors
    /// As [`parse_npy`].
    pub fn floats(&self, shape: &[usize]) -> Result<Vec<f32>, String> {
        if self.descr != "<f4" || self.shape != shape {
            return Err(format!(
                "has an array of type `{}` and shape {:?}, but `<f4` (float32) and {shape:?} are expected",
                self.descr, self.shape
            ));
        }
        let values = self.values.as_chunks::<4>();
        let expected = shape
            .iter()
            .try_fold(1usize, |all, &side| all.checked_mul(side));
        if expected != Some(values.0.len()) || !values.1.is_empty() {
            return Err("is not a complete .npy file".into());
        }
        Ok(values
            .0
            .iter()
            .map(|&four| f32::from_le_bytes(four))
            .collect())
    }
}

/// The bytes of an `.npy` file with a float32 array of `shape`. Format 1.0, little-endian, C order,
/// with a header padded to a multiple of 64 bytes:
/// <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
///
/// # Panics
/// If the number of values does not match `shape`.
pub fn encode_npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    assert_eq!(
        values.len(),
        shape.iter().product::<usize>(),
        "as many values as the shape {shape:?} says"
    );
    // A Python tuple of one element needs a comma.
    let shape: String = shape.iter().map(|side| format!("{side}, ")).collect();
    let shape = match shape.trim_end() {
        one if one.matches(',').count() == 1 => one,
        more => more.trim_end_matches(','),
    };
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let unpadded = PREFIX + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a shape of a few numbers");

    let mut bytes = Vec::with_capacity(PREFIX + header.len() + values.len() * 4);
    bytes.extend(b"\x93NUMPY\x01\x00");
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// Bytes before the header: magic, version, the header's length.
const PREFIX: usize = 10;
const ALIGNMENT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_equals_numpys_and_the_values_are_aligned() {
        for (shape, text) in [
            (&[2, 3][..], "(2, 3)"),
            (&[6], "(6,)"),
            (&[1, 2, 3], "(1, 2, 3)"),
        ] {
            let bytes = encode_npy(shape, &[1.0, -2.5, 0.0, f32::MAX, 1e-40, 3.0]);
            assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
            let header = std::str::from_utf8(&bytes[10..128]).unwrap();
            let dictionary =
                format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {text}, }}");
            assert_eq!(header.trim_end(), dictionary);
            assert!(header.ends_with(" \n"));
            assert_eq!(bytes.len(), 128 + 24);
            assert_eq!(&bytes[132..136], (-2.5f32).to_le_bytes());
        }
    }

    #[test]
    fn an_encoded_array_is_read_back() {
        let bytes = encode_npy(&[2, 1, 3], &[1.0, -2.5, 0.0, f32::MAX, 1e-40, 3.0]);
        let read = parse_npy(&bytes).unwrap();
        assert_eq!((read.descr, &read.shape[..]), ("<f4", &[2, 1, 3][..]));
        let values = read.floats(&[2, 1, 3]).unwrap();
        assert_eq!(values, [1.0, -2.5, 0.0, f32::MAX, 1e-40, 3.0]);
    }

    #[test]
    fn another_shape_or_a_truncated_file_is_an_error() {
        let bytes = encode_npy(&[2, 3], &[0.0; 6]);
        let wrong = parse_npy(&bytes).unwrap().floats(&[3, 2]).unwrap_err();
        assert!(
            wrong.contains("[2, 3]") && wrong.contains("[3, 2]"),
            "{wrong}"
        );
        let cut = parse_npy(&bytes[..bytes.len() - 1]).unwrap();
        assert!(cut.floats(&[2, 3]).is_err());
        for length in 0..128 {
            assert!(parse_npy(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn an_array_without_axes_has_one_value() {
        let bytes = encode_npy(&[], &[7.0]);
        assert!(String::from_utf8_lossy(&bytes).contains("'shape': ()"));
        assert_eq!(bytes[128..], 7f32.to_le_bytes());
    }
}
