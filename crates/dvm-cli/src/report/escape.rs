//! Escapes control characters in names of files and classes, for terminals.

use std::borrow::Cow;
use std::path::Path;

/// The text on one line. Control characters, which could move the cursor, colour the screen or begin a new line, and
/// characters that change the direction of writing are escaped as `\n` or `\u{1b}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    escape_where(text, is_dangerous)
}

/// Like [`escaped`], but keeps line breaks.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escape_where(text, |c| is_dangerous(c) && c != '\n')
}

/// A path on one line.
pub fn shown(path: &Path) -> String {
    escaped(&path.display().to_string()).into_owned()
}

/// JSON with the same meaning, in which these characters are escaped.
pub fn escaped_json(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| is_dangerous(c) && c != '\n') {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push(c),
            c if is_dangerous(c) => safe += &format!("\\u{:04x}", u32::from(c)),
            c => safe.push(c),
        }
    }
    safe.into()
}

fn escape_where(text: &str, is_dangerous: impl Fn(char) -> bool + Copy) -> Cow<'_, str> {
    if !text.contains(is_dangerous) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match is_dangerous(c) {
            true => safe.extend(c.escape_default()),
            false => safe.push(c),
        }
    }
    safe.into()
}

fn is_dangerous(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escaped("a\x1b[31mred\u{9b}2J"), r"a\u{1b}[31mred\u{9b}2J");
        assert_eq!(escaped("one\ntwo\r\t\u{7}"), r"one\ntwo\r\t\u{7}");
        assert_eq!(escaped("gpj.\u{202e}exe"), r"gpj.\u{202e}exe");
        assert_eq!(escaped_lines("one\ntwo\x1b"), "one\ntwo\\u{1b}");
    }

    #[test]
    fn letters_of_any_language_are_kept() {
        for name in ["Käse", "猫", "قطة", "C:\\photos", "👩‍🔬"] {
            assert_eq!(escaped(name), name);
        }
    }

    #[test]
    fn escaped_json_has_the_same_meaning() {
        let name = "a\u{9b}b\u{7f}\u{202e}\x1b\n";
        let json = serde_json::to_string_pretty(&[name]).unwrap();
        let safe = escaped_json(&json);
        assert!(!safe.contains(|c| is_dangerous(c) && c != '\n'), "{safe}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&safe).unwrap(), [name]);
    }
}
