//! Layout of one line of text. The steps: directions (Unicode's bidirectional algorithm), runs of
//! one font and script, and shaping of each run (joined letters, marks) by HarfRust.

use std::ops::Range;

use harfrust::{Buffer, Direction, Feature, GlyphId, ShapeOptions, ShaperFont, Tag};
use unicode_bidi::ParagraphBidiInfo;
use unicode_script::UnicodeScript;
use unicode_segmentation::UnicodeSegmentation;

use super::fonts::{self, Face, visible};
use super::script::Region;

/// A line of text with its glyphs.
pub(crate) struct Line {
    /// From left to right.
    pub glyphs: Vec<Glyph>,
    /// Pixels per em.
    pub size: f32,
    /// Width in pixels.
    pub length: f32,
    /// Characters that no font has, in order.
    pub missing: Vec<char>,
}

/// A glyph of a line that starts at (0, 0).
pub(crate) struct Glyph {
    pub face: Face,
    pub id: GlyphId,
    /// Pixels from the start of the line, and above the baseline.
    pub x: f32,
    pub y: f32,
    /// Pixels to the next glyph.
    pub advance: f32,
    /// Its characters; empty if they belong to another glyph.
    pub text: String,
}

/// A part of a line in one font and script.
struct Run {
    range: Range<usize>,
    face: Face,
    script: unicode_script::Script,
}

impl Line {
    /// Lays out `text` with `size` pixels per em. The direction is that of its first letter.
    pub fn new(text: &str, size: f32) -> Self {
        let mut line = Self {
            glyphs: Vec::new(),
            size,
            length: 0.0,
            missing: Vec::new(),
        };
        if text.is_empty() {
            return line;
        }
        let region = Region::of(text);
        let bidi = ParagraphBidiInfo::new(text, None);
        let (levels, parts) = bidi.visual_runs(0..text.len());
        for part in parts {
            let backwards = levels[part.start].is_rtl();
            let mut runs = line.runs(text, part, region);
            if backwards {
                runs.reverse();
            }
            for run in runs {
                line.shape(&text[run.range.clone()], &run, backwards);
            }
        }
        line
    }

    /// Splits a part of one direction into runs of one font and script.
    fn runs(&mut self, text: &str, part: Range<usize>, region: Region) -> Vec<Run> {
        use unicode_script::Script::{Common, Inherited};
        let mut runs: Vec<Run> = Vec::new();
        for (at, cluster) in text[part.clone()].grapheme_indices(true) {
            if cluster.chars().all(is_isolate) {
                continue;
            }
            let range = part.start + at..part.start + at + cluster.len();
            let face = self.face(cluster, region);
            let mut scripts = cluster.chars().map(|c| c.script());
            let script = scripts.find(|script| !matches!(script, Common | Inherited));
            match runs.last_mut() {
                Some(last)
                    if last.face.id == face.id
                        && last.range.end == range.start
                        && (script.is_none_or(|s| s == last.script) || last.script == Common) =>
                {
                    last.range.end = range.end;
                    last.script = script.unwrap_or(last.script);
                }
                _ => runs.push(Run {
                    range,
                    face,
                    script: script.unwrap_or(Common),
                }),
            }
        }
        runs
    }

    /// The font for `cluster`, a character with its marks. If no font has it, the embedded font
    /// draws a box.
    fn face(&mut self, cluster: &str, region: Region) -> Face {
        let embedded = fonts::embedded();
        if embedded.covers(cluster) {
            return embedded.clone();
        }
        fonts::other_for(cluster, region).unwrap_or_else(|| {
            let map = embedded.font.charmap();
            self.missing
                .extend(visible(cluster).filter(|&c| map.map_unicode(c).is_none()));
            embedded.clone()
        })
    }

    /// Appends the glyphs of a run.
    fn shape(&mut self, text: &str, run: &Run, backwards: bool) {
        let font = ShaperFont::new(&run.face.font);
        let mut buffer = Buffer::new();
        buffer.push_str(text);
        buffer.set_direction(if backwards {
            Direction::RightToLeft
        } else {
            Direction::LeftToRight
        });
        buffer.set_script(run.script.short_name().parse().ok());
        // No ligatures: a name can be shortened between any two letters.
        let plain = [b"liga", b"clig"].map(|name| Feature::new(Tag::new(name), 0, ..));
        let features: &[Feature] = match run.script {
            unicode_script::Script::Latin
            | unicode_script::Script::Greek
            | unicode_script::Script::Cyrillic => &plain,
            _ => &[],
        };
        let options = ShapeOptions::new().features(features);
        if harfrust::shape(&font, &mut buffer, options).is_err() {
            self.missing.extend(text.chars());
            return;
        }
        let scale = self.size / run.face.units;
        let start = self.length;
        let mut pen = 0;
        let infos = buffer.glyph_infos();
        for (i, (info, position)) in infos.iter().zip(buffer.glyph_positions()).enumerate() {
            let first = i == 0 || infos[i - 1].cluster != info.cluster;
            let cluster = info.cluster as usize;
            let next = infos.iter().map(|other| other.cluster as usize);
            let next = next.filter(|&other| other > cluster).min();
            self.glyphs.push(Glyph {
                face: run.face.clone(),
                id: GlyphId::new(info.glyph_id),
                x: start + (pen + position.x_offset) as f32 * scale,
                y: position.y_offset as f32 * scale,
                advance: position.x_advance as f32 * scale,
                text: match text.get(cluster..next.unwrap_or(text.len())) {
                    Some(text) if first => text.to_owned(),
                    _ => String::new(),
                },
            });
            pen += position.x_advance;
        }
        self.length = start + pen as f32 * scale;
    }
}

/// Characters that isolate the direction of a part of a line.
fn is_isolate(character: char) -> bool {
    matches!(character, '\u{2066}'..='\u{2069}')
}
