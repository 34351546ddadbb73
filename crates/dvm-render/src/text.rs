//! Lines of text in the embedded font.
//!
//! The font is DejaVu Sans, which covers Latin, Greek, Cyrillic and more; a character that it
//! lacks is drawn as its box for missing glyphs. Nothing is read from the machine, so a figure
//! has the same letters everywhere.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use dvm_image::Picture;

use crate::canvas::blend;

/// The height of capitals and digits, as a share of the text size.
pub(crate) const CAP_HEIGHT: f32 = 0.729;

static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("../assets/fonts/DejaVuSans.ttf"))
        .expect("the embedded font is a whole TrueType file")
});

/// The point of a line of text that is put on the given coordinate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// The way in which a line of text runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// Left to right.
    Across,
    /// From bottom to top, letters lying on their backs.
    Upwards,
}

/// Draws `text`, `size` pixels per em, its `anchor` at column `x` and row `y`; the baseline is
/// row `y`, or column `x` if it runs upwards. What lies outside the canvas is left out.
pub(crate) fn draw(
    canvas: &mut Picture,
    text: &str,
    size: f32,
    (x, y): (usize, usize),
    anchor: Anchor,
    direction: Direction,
    colour: [u8; 3],
) {
    let (glyphs, length) = set(text.chars(), size);
    let shift = match anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => length / 2.0,
        Anchor::End => length,
    };
    // Lines start on a whole pixel, so that equal labels are equal pixels.
    let shift = shift.round() as i64;
    let (x, y) = (x as i64, y as i64);
    for outline in glyphs.into_iter().filter_map(|g| FONT.outline_glyph(g)) {
        let corner = outline.px_bounds().min;
        let (left, top) = (corner.x as i64 - shift, corner.y as i64);
        outline.draw(|across, down, coverage| {
            let (across, down) = (left + i64::from(across), top + i64::from(down));
            let (column, row) = match direction {
                Direction::Across => (x + across, y + down),
                Direction::Upwards => (x + down, y - 1 - across),
            };
            blend(canvas, row, column, coverage, colour);
        });
    }
}

/// The length of `text` in pixels.
pub(crate) fn length(text: &str, size: f32) -> f32 {
    set(text.chars(), size).1
}

/// `text` without control characters, cut with an ellipsis where it is longer than `room` pixels.
pub(crate) fn fitted(text: &str, size: f32, room: f32) -> String {
    let text = printable(text);
    let ellipsis = length("…", size);
    let mut walk = Walk::new(size);
    let mut kept = 0;
    for (at, character) in text.char_indices() {
        walk.step(character);
        if walk.x > room {
            return format!("{}…", text[..kept].trim_end());
        }
        if walk.x + ellipsis <= room {
            kept = at + character.len_utf8();
        }
    }
    text
}

/// `text` broken between words into at most `count` lines of at most `room` pixels; what does
/// not fit ends in an ellipsis.
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

/// Where the first line of `text` ends: before the first space beyond which it does not fit.
fn line_end(text: &str, size: f32, room: f32) -> usize {
    let mut walk = Walk::new(size);
    let mut end = None;
    for (at, character) in text.char_indices() {
        if character == ' ' {
            end = Some(at);
            if walk.x > room {
                break;
            }
        }
        walk.step(character);
        if walk.x > room && end.is_some() {
            break;
        }
    }
    match end {
        Some(end) if walk.x > room => end,
        _ => text.len(),
    }
}

/// `text` with white space as single-width spaces, without control and invisible characters.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|&c| !c.is_control() && !is_invisible(c))
        .collect()
}

/// Characters that steer the text around them: joiners, direction marks and overrides.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// The glyphs of a line that starts at (0, 0), and its length in pixels.
fn set(characters: impl Iterator<Item = char>, size: f32) -> (Vec<Glyph>, f32) {
    let mut walk = Walk::new(size);
    let glyphs = characters.map(|c| walk.step(c)).collect();
    (glyphs, walk.x)
}

/// A pen that walks along a baseline.
struct Walk {
    scale: PxScale,
    x: f32,
    last: Option<ab_glyph::GlyphId>,
}

impl Walk {
    fn new(size: f32) -> Self {
        // ab_glyph counts sizes from descender to ascender, we count in em.
        let em = FONT.units_per_em().unwrap_or(2048.0);
        Self {
            scale: PxScale::from(size * FONT.height_unscaled() / em),
            x: 0.0,
            last: None,
        }
    }

    /// The glyph of the next character, at the pen; the pen goes to its end.
    fn step(&mut self, character: char) -> Glyph {
        let font = FONT.as_scaled(self.scale);
        let id = font.glyph_id(character);
        if let Some(last) = self.last.replace(id) {
            self.x += font.kern(last, id);
        }
        let glyph = id.with_scale_and_position(self.scale, point(self.x, 0.0));
        self.x += font.h_advance(id);
        glyph
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, direction: Direction) -> Picture {
        let mut canvas = Picture::filled(60, 60, [255; 3]);
        draw(
            &mut canvas,
            text,
            20.0,
            (30, 30),
            Anchor::Middle,
            direction,
            [0; 3],
        );
        canvas
    }

    #[test]
    fn lengths_are_those_of_the_font() {
        // DejaVu Sans: 2048 units per em, advance of a digit 1303, of a space 651.
        assert!((length("0", 20.48) - 13.03).abs() < 1e-3);
        assert!((length("1 1", 20.48) - 32.57).abs() < 1e-3);
    }

    #[test]
    fn pairs_are_kerned() {
        assert!(length("AV", 20.0) < length("A", 20.0) + length("V", 20.0) - 0.5);
    }

    #[test]
    fn text_that_fits_is_kept_and_longer_text_ends_in_an_ellipsis() {
        assert_eq!(fitted("tiger cat", 20.0, 200.0), "tiger cat");
        let cut = fitted("Egyptian cat, a long description", 20.0, 150.0);
        assert_eq!(cut, "Egyptian cat…");
        assert!(length(&cut, 20.0) <= 150.0);
        assert_eq!(fitted("anything", 20.0, 0.0), "…");
    }

    #[test]
    fn text_is_broken_between_words() {
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
    fn a_word_that_is_wider_than_the_room_is_cut() {
        let lines = wrapped("Donaudampfschifffahrtsgesellschaft Kapitän", 20.0, 180.0, 3);
        assert_eq!(lines, ["Donaudampfsc…", "Kapitän"]);
        assert!(wrapped(" \n ", 20.0, 180.0, 3).is_empty());
    }

    #[test]
    fn control_characters_are_removed() {
        assert_eq!(fitted("a\u{7}b\u{202e}c\nd\u{0}", 20.0, 500.0), "abc d");
    }

    #[test]
    fn a_character_that_the_font_lacks_is_drawn_as_a_box() {
        assert_eq!(
            drawn("猫", Direction::Across),
            drawn("🐈", Direction::Across)
        );
        assert_ne!(
            drawn("猫", Direction::Across),
            drawn(" ", Direction::Across)
        );
    }

    #[test]
    fn every_sign_of_a_tick_label_is_in_the_font() {
        for sign in "0123456789.−×≤≥⁻⁰¹²³⁴⁵⁶⁷⁸⁹…·".chars() {
            assert_ne!(FONT.glyph_id(sign).0, 0, "{sign}");
        }
    }

    #[test]
    fn text_that_runs_upwards_is_the_same_text_turned() {
        let (across, upwards) = (
            drawn("Ag1", Direction::Across),
            drawn("Ag1", Direction::Upwards),
        );
        for y in 0..60 {
            for x in 0..60 {
                assert_eq!(across.pixel(y, x), upwards.pixel(59 - x, y));
            }
        }
    }

    #[test]
    fn text_beyond_the_canvas_is_left_out() {
        let mut canvas = Picture::filled(3, 3, [255; 3]);
        for at in [(0, 0), (2, 2), (500, 1)] {
            draw(
                &mut canvas,
                "wide text",
                30.0,
                at,
                Anchor::Middle,
                Direction::Across,
                [0; 3],
            );
        }
        assert_eq!((canvas.height(), canvas.width()), (3, 3));
    }
}
