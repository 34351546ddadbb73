//! Arrays as NumPy files.

/// The bytes of an `.npy` file that `numpy.load` reads as a float32 array of `shape`.
///
/// Format 1.0, little-endian, C order (the last axis runs fastest), the header padded so that the
/// numbers begin at a multiple of 64 bytes:
/// <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
///
/// # Panics
/// If `values` has not as many numbers as `shape` says.
pub fn encode_npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    assert_eq!(
        values.len(),
        shape.iter().product::<usize>(),
        "as many values as the shape {shape:?} says"
    );
    // A Python tuple of one needs its comma; the others may have it.
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
    fn the_header_is_the_one_numpy_writes_and_the_numbers_follow_aligned() {
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
    fn an_array_without_axes_is_one_number() {
        let bytes = encode_npy(&[], &[7.0]);
        assert!(String::from_utf8_lossy(&bytes).contains("'shape': ()"));
        assert_eq!(bytes[128..], 7f32.to_le_bytes());
    }
}
