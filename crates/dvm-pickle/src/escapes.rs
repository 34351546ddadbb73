//! Texts of protocol 0, which consist of printable characters.

/// The bytes of a Python 2 string from its quoted form, `'a\x00b\n'`, in place; `None` if it is not quoted, or has an
/// escape that Python does not write.
pub(crate) fn unquoted(mut text: Vec<u8>) -> Option<Vec<u8>> {
    let quote = *text.first()?;
    if !matches!(quote, b'\'' | b'"') || text.len() < 2 || text.last() != Some(&quote) {
        return None;
    }
    let end = text.len() - 1;
    let (mut read, mut write) = (1, 0);
    while read < end {
        let mut byte = text[read];
        read += 1;
        if byte == b'\\' {
            let escape = *text[..end].get(read)?;
            read += 1;
            byte = match escape {
                b'\\' | b'\'' | b'"' => escape,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'v' => 11,
                b'x' => {
                    let value = hexadecimal(text[..end].get(read..read + 2)?)?;
                    read += 2;
                    value as u8
                }
                b'0'..=b'7' => {
                    let mut value = u32::from(escape - b'0');
                    for _ in 0..2 {
                        match text[read] {
                            digit @ b'0'..=b'7' => value = value * 8 + u32::from(digit - b'0'),
                            _ => break,
                        }
                        read += 1;
                    }
                    value as u8
                }
                _ => return None,
            };
        }
        text[write] = byte;
        write += 1;
    }
    text.truncate(write);
    Some(text)
}

/// UTF-8 from Python's `raw-unicode-escape`: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
///
/// Lone surrogates, which UTF-8 cannot encode, become U+FFFD.
pub(crate) fn from_raw_unicode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let width = match rest {
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            _ => 0,
        };
        if width == 0 {
            decoded.push(char::from(byte));
            rest = behind;
        } else {
            let value = hexadecimal(rest.get(2..2 + width)?)?;
            decoded.push(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER));
            rest = &rest[2 + width..];
        }
    }
    Some(decoded.into_bytes())
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, &digit| {
        Some(value.wrapping_mul(16) + char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_are_decoded_as_in_python() {
        // ast.literal_eval("b" + text) in Python.
        for (text, bytes) in [
            (&br"'a\x00\xffb'"[..], Some(&b"a\0\xffb"[..])),
            (br#""it's""#, Some(b"it's")),
            (br"'\'\\\n\t\r'", Some(b"'\\\n\t\r")),
            (br"'\0\10\1019'", Some(b"\0\x08A9")),
            (b"''", Some(b"")),
            (b"'", None),
            (b"'a\"", None),
            (b"a", None),
            (br"'\'", None),
            (br"'\x0'", None),
            (br"'\q'", None),
        ] {
            assert_eq!(unquoted(text.to_vec()).as_deref(), bytes, "{text:?}");
        }
    }

    #[test]
    fn raw_unicode_is_latin_1_with_escapes() {
        let decoded = |text: &[u8]| from_raw_unicode(text).map(|b| String::from_utf8(b).unwrap());
        assert_eq!(
            decoded(b"caf\xe9\\u20ac\\U0001f600\\n").as_deref(),
            Some("café€😀\\n")
        );
        assert_eq!(decoded(b"\\u12"), None);
    }
}
