//! DICOM's run-length encoding (PS3.5, annex G).

/// Bytes of the header: the number of segments, and the start of each.
const HEADER: usize = 64;

/// The bytes of one frame in planes of `plane` bytes: for each sample its bytes, the highest byte first.
/// `None` if the frame is damaged.
pub(super) fn planes(fragment: &[u8], count: usize, plane: usize) -> Option<Vec<Vec<u8>>> {
    let number = |at: usize| -> Option<usize> {
        let bytes = fragment.get(4 * at..4 * at + 4)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    if number(0)? != count || count == 0 || count > 15 {
        return None;
    }
    let starts: Vec<usize> = (1..=count).map(number).collect::<Option<_>>()?;
    if starts[0] < HEADER {
        return None;
    }
    let mut planes = Vec::with_capacity(count);
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(fragment.len());
        planes.push(unpacked(fragment.get(start..end)?, plane)?);
    }
    Some(planes)
}

/// PackBits: after a byte `n` below 128 follow `n + 1` literal bytes; after one above 128 follows a byte that
/// is repeated `257 − n` times.
fn unpacked(mut packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(packed.len().saturating_mul(128)));
    while bytes.len() < length {
        let (&head, rest) = packed.split_first()?;
        let head = usize::from(head);
        match head {
            0..128 => {
                bytes.extend_from_slice(rest.get(..=head)?);
                packed = &rest[head + 1..];
            }
            128 => packed = rest,
            _ => {
                let (&value, rest) = rest.split_first()?;
                bytes.resize(bytes.len() + 257 - head, value);
                packed = rest;
            }
        }
    }
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_literals_are_unpacked() {
        // 2 literals, 3 times 7, nothing, 1 literal.
        let packed = [1, 10, 11, 254, 7, 128, 0, 5];
        assert_eq!(unpacked(&packed, 6), Some(vec![10, 11, 7, 7, 7, 5]));
        assert_eq!(unpacked(&packed, 4), Some(vec![10, 11, 7, 7]));
        assert_eq!(unpacked(&packed, 7), None);
        assert_eq!(unpacked(&[5, 1], 6), None);
    }

    #[test]
    fn missing_segments_are_errors() {
        let mut fragment = vec![0; HEADER];
        fragment[0] = 1;
        fragment[4] = 64;
        fragment.extend([255, 9]);
        assert_eq!(planes(&fragment, 1, 2), Some(vec![vec![9, 9]]));
        assert_eq!(planes(&fragment, 2, 2), None);
        fragment[4] = 255;
        assert_eq!(planes(&fragment, 1, 2), None);
        assert_eq!(planes(&[], 1, 2), None);
    }
}
