//! Text layout and drawing.

mod fonts;
mod glyph_shape;
mod line;
mod outline;
mod paint;
mod script;

use unicode_segmentation::UnicodeSegmentation;

pub(crate) use fonts::Face;
pub use fonts::{FontError, add_font, without_installed_fonts};
pub(crate) use glyph_shape::{GlyphShape, of as shape_of};
pub(crate) use line::{Glyph, Line};
pub(crate) use outline::points;
pub(crate) use paint::paint;

/// The height of capitals and digits, as a share of the text size.
pub(crate) const CAP_HEIGHT: f32 = 0.729;

/// Longer texts are truncated before layout.
const MOST_CHARACTERS: usize = 2000;

/// The point of a line of text that is at the given coordinate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// The direction of a line of text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// Left to right.
    Across,
    /// From bottom to top, rotated.
    Upwards,
}

/// The length of `text` in pixels.
pub(crate) fn length(text: &str, size: f32) -> f32 {
    Line::new(text, size).length
}

/// The length of the longest of `texts`, in whole pixels.
pub(crate) fn longest<'a>(texts: impl IntoIterator<Item = &'a String>, size: f32) -> usize {
    let lengths = texts.into_iter().map(|text| length(text, size));
    lengths.fold(0.0, f32::max).ceil() as usize
}

/// `text` without control characters, shortened with an ellipsis to `room` pixels.
pub(crate) fn fitted(text: &str, size: f32, room: f32) -> String {
    let text = printable(text);
    if length(&text, size) <= room {
        return text;
    }
    let room = room - length("…", size);
    // Characters are kept together with their marks.
    let ends: Vec<usize> = text
        .grapheme_indices(true)
        .map(|(at, cluster)| at + cluster.len())
        .collect();
    let count = ends.partition_point(|&end| length(&text[..end], size) <= room);
    let kept = count.checked_sub(1).map_or(0, |last| ends[last]);
    format!("{}…", text[..kept].trim_end())
}

/// `text` wrapped into at most `count` lines of at most `room` pixels; the rest is replaced by an
/// ellipsis.
pub(crate) fn wrapped(text: &str, size: f32, room: f32, count: usize) -> Vec<String> {
    let text = printable(text);
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && lines.len() + 1 < count {
        let end = line_end(rest, size, room);
        lines.push(fitted(&rest[..end], size, room));
        rest = rest[end..].trim_start();
    }
    if !rest.is_empty() {
        lines.push(fitted(rest, size, room));
    }
    lines
}

/// The end of the first line of `text`: the last break up to which it fits, or the first break.
fn line_end(text: &str, size: f32, room: f32) -> usize {
    let mut ends = breaks(text);
    ends.push(text.len());
    let count = ends.partition_point(|&end| length(text[..end].trim_end(), size) <= room);
    ends[count.saturating_sub(1)]
}

/// Positions where a line can end: before spaces, and between Chinese or Japanese characters, but
/// not before a closing or after an opening sign.
fn breaks(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut last = ' ';
    for (at, character) in text.char_indices() {
        let east_asian = script::is_east_asian(character) || script::is_east_asian(last);
        let apart = east_asian
            && last != ' '
            && !"、。，．）」』】〉》！？：；ー…々ぁぃぅぇぉっゃゅょァィゥェォッャュョ"
                .contains(character)
            && !"（「『【〈《".contains(last);
        if at > 0 && (character == ' ' || apart) {
            ends.push(at);
        }
        last = character;
    }
    ends
}

/// `text` in direction isolates, so that a right-to-left name does not change the order of its
/// neighbours.
pub(crate) fn isolated(text: &str) -> String {
    format!("\u{2068}{text}\u{2069}")
}

/// `text` with plain spaces and without control and invisible characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|&c| !c.is_control() && !is_invisible(c))
        .take(MOST_CHARACTERS)
        .collect()
}

/// Characters that control the direction: marks, overrides and isolates. Joiners are kept: Persian,
/// Indic scripts and emoji need them.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// A warning about characters of `texts` that no font has, with the fonts to install. `None` if all
/// characters can be drawn.
///
/// ```
/// assert_eq!(dvm_render::font_warning(["tabby", "Кошка", "γάτα"]), None);
/// ```
pub fn font_warning<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut missing: Vec<char> = Vec::new();
    for text in texts {
        for character in Line::new(&printable(text), 16.0).missing {
            if !missing.contains(&character) {
                missing.push(character);
            }
        }
    }
    missing.sort_unstable();
    let mut scripts: Vec<&str> = Vec::new();
    let mut packages: Vec<&str> = Vec::new();
    for &character in &missing {
        let (script, package) = script::package(character);
        if !scripts.contains(&script) {
            scripts.push(script);
        }
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    if missing.is_empty() {
        return None;
    }
    let shown: String = missing.iter().take(12).collect();
    let more = if missing.len() > 12 { "…" } else { "" };
    Some(format!(
        "no font has the characters {shown}{more} ({}), so they are drawn as boxes; install a font \
         for them (on Debian and Ubuntu: apt install {})",
        scripts.join(", "),
        packages.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_from_the_font() {
        // DejaVu Sans: 2048 units per em, advance of a digit 1303, of a space 651.
        assert!((length("0", 20.48) - 13.03).abs() < 1e-3);
        assert!((length("1 1", 20.48) - 32.57).abs() < 1e-3);
    }

    #[test]
    fn pairs_are_kerned() {
        assert!(length("AV", 20.0) < length("A", 20.0) + length("V", 20.0) - 0.5);
    }

    #[test]
    fn text_that_is_too_long_ends_with_an_ellipsis() {
        assert_eq!(fitted("tiger cat", 20.0, 200.0), "tiger cat");
        let cut = fitted("Egyptian cat, a long description", 20.0, 150.0);
        assert_eq!(cut, "Egyptian cat…");
        assert!(length(&cut, 20.0) <= 150.0);
        assert_eq!(fitted("anything", 20.0, 0.0), "…");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        let text = "the rule is defined for rectified units only";
        let lines = wrapped(text, 20.0, 180.0, 5);
        assert_eq!(
            lines,
            ["the rule is", "defined for", "rectified units", "only"]
        );
        let lines = wrapped(text, 20.0, 180.0, 2);
        assert_eq!(lines, ["the rule is", "defined for recti…"]);
        assert_eq!(wrapped(text, 20.0, 900.0, 2), [text]);
    }

    #[test]
    fn a_word_that_is_too_wide_is_shortened() {
        let lines = wrapped("Donaudampfschifffahrtsgesellschaft Kapitän", 20.0, 180.0, 3);
        assert_eq!(lines, ["Donaudampfsc…", "Kapitän"]);
        assert!(wrapped(" \n ", 20.0, 180.0, 3).is_empty());
    }

    #[test]
    fn control_characters_are_removed() {
        assert_eq!(fitted("a\u{7}b\u{202e}c\nd\u{0}", 20.0, 500.0), "abc d");
    }

    #[test]
    fn every_sign_of_a_tick_label_is_in_the_font() {
        for sign in "0123456789.−×≤≥⁻⁰¹²³⁴⁵⁶⁷⁸⁹…·".chars() {
            assert!(fonts::embedded().covers(&sign.to_string()), "{sign}");
        }
    }

    #[test]
    fn a_right_to_left_name_starts_on_the_right() {
        // DejaVu Sans has Arabic and Hebrew letters: shin comes first and is on the right.
        let line = Line::new("שלום", 20.0);
        let words: Vec<&str> = line
            .glyphs
            .iter()
            .map(|glyph| glyph.text.as_str())
            .collect();
        assert_eq!(words, ["ם", "ו", "ל", "ש"]);
        assert!(line.missing.is_empty());
    }

    #[test]
    fn arabic_letters_are_joined() {
        // The letter beh alone, and at the start of a word, are different glyphs.
        let glyphs = |text| {
            let line = Line::new(text, 20.0);
            line.glyphs.iter().map(|glyph| glyph.id).collect::<Vec<_>>()
        };
        assert_ne!(glyphs("بب")[1], glyphs("ب")[0]);
        assert_ne!(glyphs("بب")[0], glyphs("بب")[1]);
    }

    #[test]
    fn parts_of_two_directions_keep_their_order() {
        let line = Line::new(&format!("{}  ·  95 %", isolated("אב")), 20.0);
        let words: String = line
            .glyphs
            .iter()
            .map(|glyph| glyph.text.as_str())
            .collect();
        assert_eq!(words, "בא  ·  95 %");
    }

    #[test]
    fn letters_are_not_separated_from_their_marks() {
        let name = "e\u{301}".repeat(50);
        let cut = fitted(&name, 20.0, 100.0);
        assert!(cut.ends_with("\u{301}…"), "{cut:?}");
        assert!((length("e\u{301}", 20.0) - length("é", 20.0)).abs() < 1e-3);
    }

    #[test]
    fn chinese_is_wrapped_between_characters_but_not_before_a_full_stop() {
        assert_eq!(breaks("猫。犬 a"), [6, 9]);
        assert_eq!(breaks("ab cd"), [2]);
    }

    #[test]
    fn the_warning_for_missing_characters_says_what_to_install() {
        let warning = font_warning(["猫 tabby", "แมว", "猫"]).unwrap();
        assert_eq!(
            warning,
            "no font has the characters มวแ猫 (Thai, Chinese), so they are drawn as boxes; install \
             a font for them (on Debian and Ubuntu: apt install fonts-noto-core fonts-noto-cjk)"
        );
        assert_eq!(font_warning(["Кошка, chat, Katze"]), None);
    }
}
