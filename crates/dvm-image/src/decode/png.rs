//! Removes unneeded chunks from PNG files.

use std::borrow::Cow;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Chunks that do not affect pixels and can need much memory: a few kilobytes of a colour profile
/// or a compressed text can inflate to gigabytes.
const LEFT_OUT: [&[u8; 4]; 4] = [b"iCCP", b"zTXt", b"iTXt", b"tEXt"];

/// The file without the chunks [`LEFT_OUT`].
pub(super) fn without_profiles(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut kept = Vec::new();
    // Start of the part that is not copied yet.
    let mut from = 0;
    let mut at = SIGNATURE.len();
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        // Length, name, contents and checksum. The decoder reports a truncated chunk.
        let Some(end) = at
            .checked_add(12 + length)
            .filter(|end| *end <= bytes.len())
        else {
            break;
        };
        if LEFT_OUT.iter().any(|name| head[4..] == name[..]) {
            kept.extend_from_slice(&bytes[from..at]);
            from = end;
        }
        at = end;
    }
    // A removed chunk may be truncated.
    let is_cut_off = bytes
        .get(at + 4..at + 8)
        .is_some_and(|name| LEFT_OUT.iter().any(|left_out| name == *left_out));
    let to = if is_cut_off { at } else { bytes.len() };
    if from == 0 && to == bytes.len() {
        return Cow::Borrowed(bytes);
    }
    kept.extend_from_slice(&bytes[from.min(to)..to]);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &str, contents: &[u8]) -> Vec<u8> {
        let length = (contents.len() as u32).to_be_bytes();
        [&length, name.as_bytes(), contents, b"crc."].concat()
    }

    #[test]
    fn profiles_and_texts_are_left_out() {
        let parts = [
            SIGNATURE.to_vec(),
            chunk("IHDR", b"header"),
            chunk("iCCP", &[1; 300]),
            chunk("IDAT", b"pixels"),
            chunk("zTXt", b"text"),
            chunk("IEND", b""),
        ];
        let kept = [0, 1, 3, 5].map(|part: usize| parts[part].clone()).concat();
        assert_eq!(without_profiles(&parts.concat()), kept);
        assert!(matches!(without_profiles(&kept), Cow::Borrowed(_)));
    }

    #[test]
    fn truncated_files_do_not_panic() {
        let whole = [
            SIGNATURE.to_vec(),
            chunk("iCCP", &[1; 30]),
            chunk("IDAT", b"pixels"),
            chunk("iTXt", &[1; 30]),
        ]
        .concat();
        for length in 0..=whole.len() {
            let kept = without_profiles(&whole[..length]);
            assert!(kept.len() <= length);
        }
        let lie = [SIGNATURE, b"\xff\xff\xff\xffiCCP\x01"].concat();
        assert_eq!(without_profiles(&lie), SIGNATURE);
    }
}
