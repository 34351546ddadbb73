//! JSON inside the elements of an HTML file.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Writes `value` as JSON that is safe in HTML and in scripts: `<`, `>`, `&` and the two line separators of Unicode
/// are escaped.
pub(super) fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value
        .serialize(&mut Serializer::with_formatter(out, InMarkup))
        .map_err(io::Error::from)
}

/// Writes an element of data.
pub(super) fn write_element(
    out: &mut impl Write,
    attributes: &str,
    value: &impl Serialize,
) -> io::Result<()> {
    write!(out, "<script type=\"application/json\" {attributes}>")?;
    write_json(out, value)?;
    out.write_all(b"</script>\n")
}

struct InMarkup;

impl Formatter for InMarkup {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        let is_special = |c| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        while let Some(at) = rest.find(is_special) {
            out.write_all(&rest.as_bytes()[..at])?;
            let special = rest[at..].chars().next().expect("one was found");
            write!(out, "\\u{:04x}", u32::from(special))?;
            rest = &rest[at + special.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(value: &Value) -> String {
        let mut text = Vec::new();
        write_json(&mut text, value).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn markup_in_names_is_escaped_and_restored() {
        let value = json!({
            "</script><b>": ["<!--", "a & b", "\u{2028}\u{2029}", "\"quoted\"\n", "ä€😀"],
            "number": 0.1,
        });
        let text = written(&value);
        assert!(
            !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(text.contains(r"\u003c/script\u003e\u003cb\u003e"), "{text}");
    }
}
