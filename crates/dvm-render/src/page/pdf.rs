//! Writes a page as PDF. Text uses Type 3 fonts: each glyph is a small drawing with a width and its
//! characters. So outlines of any font can be written without embedding the font file, and text can
//! be searched and copied.

use std::collections::BTreeMap;

use harfrust::font::glyph::outline::PathElement;
use miniz_oxide::deflate::compress_to_vec_zlib;
use pdf_writer::types::{LineCapStyle, LineJoinStyle, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use super::{DrawOp, Page, embedded};
use crate::text::{Direction, Face, Glyph, GlyphShape, Line, points, shape_of};

/// Points per pixel: 144 pixels per inch.
const SCALE: f32 = 0.5;
/// Units per em of the fonts in the file.
const UNITS: f32 = 1000.0;
/// Glyphs per font: a code is one byte.
const GLYPHS: usize = 256;
const COMPRESSION: u8 = 6;

/// The bytes of the file.
pub fn written(page: &Page) -> Vec<u8> {
    let mut file = File::default();
    let [catalog, pages, sheet, contents, information] = [(); 5].map(|()| file.reference());
    let mut content = Content::new();
    // From here on coordinates are in pixels from the upper left corner.
    let height = page.height as f32;
    content.transform([SCALE, 0.0, 0.0, -SCALE, 0.0, SCALE * height]);
    for mark in &page.marks {
        file.draw(&mut content, mark);
    }
    let fonts = file.write_fonts();

    let pdf = &mut file.pdf;
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([sheet]).count(1);
    if !page.title.is_empty() {
        pdf.document_info(information).title(TextStr(&page.title));
    }
    let mut dictionary = pdf.page(sheet);
    dictionary.media_box(Rect::new(
        0.0,
        0.0,
        SCALE * page.width as f32,
        SCALE * height,
    ));
    dictionary.parent(pages).contents(contents);
    let mut resources = dictionary.resources();
    let mut x_objects = resources.x_objects();
    for (i, &reference) in file.pictures.iter().enumerate() {
        x_objects.pair(Name(picture_name(i).as_bytes()), reference);
    }
    x_objects.finish();
    let mut dictionaries = resources.fonts();
    for (i, &reference) in fonts.iter().enumerate() {
        dictionaries.pair(Name(font_name(i).as_bytes()), reference);
    }
    dictionaries.finish();
    resources.finish();
    dictionary.finish();
    file.stream(contents, &content.finish());
    file.pdf.finish()
}

/// The state of the writer.
struct File {
    pdf: Pdf,
    last: i32,
    pictures: Vec<Ref>,
    /// Bitmap glyphs by font and glyph number: their index in `pictures`.
    pictographs: BTreeMap<(usize, u32), usize>,
    letters: Vec<PdfGlyph>,
    /// The index in `letters` of a glyph with its characters.
    places: BTreeMap<(usize, u32, String), usize>,
}

/// A glyph of a font in the file.
struct PdfGlyph {
    outline: Vec<PathElement>,
    /// From the units of the font to those of the file.
    scale: f32,
    width: f32,
    text: String,
}

impl Default for File {
    fn default() -> Self {
        Self {
            pdf: Pdf::new(),
            last: 0,
            pictures: Vec::new(),
            pictographs: BTreeMap::new(),
            letters: Vec::new(),
            places: BTreeMap::new(),
        }
    }
}

impl File {
    fn reference(&mut self) -> Ref {
        self.last += 1;
        Ref::new(self.last)
    }

    fn stream(&mut self, reference: Ref, bytes: &[u8]) {
        let compressed = compress_to_vec_zlib(bytes, COMPRESSION);
        let mut stream = self.pdf.stream(reference, &compressed);
        stream.filter(Filter::FlateDecode);
    }

    fn draw(&mut self, content: &mut Content, mark: &DrawOp) {
        match mark {
            DrawOp::Fill { area, colour } => {
                set_fill(content, *colour);
                content.rect(
                    area.left as f32,
                    area.top as f32,
                    area.width as f32,
                    area.height as f32,
                );
                content.fill_nonzero();
            }
            DrawOp::Picture { area, picture } => {
                let picture = embedded(picture, *area);
                let size = (picture.width(), picture.height());
                let index = self.write_pixels(size, picture.rgb(), None);
                let (width, height) = (area.width as f32, area.height as f32);
                let (left, bottom) = (area.left as f32, area.bottom() as f32);
                show_picture(content, index, [width, 0.0, 0.0, -height, left, bottom]);
            }
            DrawOp::Stroke {
                points,
                thickness,
                colour,
            } => {
                let Some(first) = points.first() else {
                    return;
                };
                let [red, green, blue] = channels(*colour);
                content.set_stroke_rgb(red, green, blue);
                content.set_line_width(*thickness);
                content.set_line_cap(LineCapStyle::RoundCap);
                content.set_line_join(LineJoinStyle::RoundJoin);
                content.move_to(first.0, first.1);
                for point in points
                    .iter()
                    .skip(1)
                    .chain((points.len() == 1).then_some(first))
                {
                    content.line_to(point.0, point.1);
                }
                content.stroke();
            }
            DrawOp::Text {
                line,
                at,
                direction,
                colour,
                ..
            } => self.draw_text(content, line, *at, *direction, *colour),
        }
    }

    fn draw_text(
        &mut self,
        content: &mut Content,
        line: &Line,
        (x, y): (i64, i64),
        direction: Direction,
        colour: [u8; 3],
    ) {
        let (x, y) = (x as f32, y as f32);
        content.save_state();
        content.transform(match direction {
            Direction::Across => [1.0, 0.0, 0.0, 1.0, x, y],
            Direction::Upwards => [0.0, -1.0, 1.0, 0.0, x, y],
        });
        set_fill(content, colour);
        for glyph in &line.glyphs {
            match shape_of(&glyph.face, glyph.id) {
                GlyphShape::Outline(outline) => {
                    let place = self.letter(glyph, outline, line.size);
                    content.begin_text();
                    let font = font_name(place / GLYPHS);
                    content.set_font(Name(font.as_bytes()), line.size);
                    // In text space y is upwards, on the page downwards.
                    content.set_text_matrix([1.0, 0.0, 0.0, -1.0, glyph.x, -glyph.y]);
                    content.show(Str(&[(place % GLYPHS) as u8]));
                    content.end_text();
                }
                GlyphShape::Layers(layers) => {
                    let scale = line.size / glyph.face.units;
                    for (outline, [red, green, blue, _]) in layers {
                        content.save_state();
                        content.transform([scale, 0.0, 0.0, -scale, glyph.x, -glyph.y]);
                        set_fill(content, [red, green, blue]);
                        trace(content, &outline, 1.0);
                        content.fill_nonzero();
                        content.restore_state();
                    }
                }
                GlyphShape::Picture(picture) => {
                    let key = (glyph.face.id, glyph.id.to_u32());
                    let index = match self.pictographs.get(&key) {
                        Some(&index) => index,
                        None => {
                            let (pixels, alpha): (Vec<[u8; 3]>, Vec<u8>) = picture
                                .rgba
                                .chunks_exact(4)
                                .map(|p| ([p[0], p[1], p[2]], p[3]))
                                .unzip();
                            let size = (picture.width, picture.height);
                            let index =
                                self.write_pixels(size, pixels.as_flattened(), Some(&alpha));
                            self.pictographs.insert(key, index);
                            index
                        }
                    };
                    let scale = line.size / glyph.face.units;
                    let (width, height) = (picture.size.0 * scale, picture.size.1 * scale);
                    let left = glyph.x + picture.left * scale;
                    let bottom = -glyph.y - picture.top * scale + height;
                    show_picture(content, index, [width, 0.0, 0.0, -height, left, bottom]);
                }
            }
        }
        content.restore_state();
    }

    /// The index of a glyph in `letters`.
    fn letter(&mut self, glyph: &Glyph, outline: Vec<PathElement>, size: f32) -> usize {
        let Face { id, units, .. } = glyph.face;
        let key = (id, glyph.id.to_u32(), glyph.text.clone());
        let letters = &mut self.letters;
        *self.places.entry(key).or_insert_with(|| {
            letters.push(PdfGlyph {
                outline,
                scale: UNITS / units,
                width: glyph.advance / size * UNITS,
                text: glyph.text.clone(),
            });
            letters.len() - 1
        })
    }

    /// Writes pixels and, if given, their opacity; returns their index in `pictures`.
    fn write_pixels(
        &mut self,
        (width, height): (usize, usize),
        rgb: &[u8],
        alpha: Option<&[u8]>,
    ) -> usize {
        let (reference, mask) = (self.reference(), self.reference());
        let mut write = |reference: Ref, pixels: &[u8], mask: Option<Ref>| {
            let compressed = compress_to_vec_zlib(pixels, COMPRESSION);
            let mut image = self.pdf.image_xobject(reference, &compressed);
            image.filter(Filter::FlateDecode);
            image.width(width as i32).height(height as i32);
            match pixels.len() == width * height {
                true => image.color_space().device_gray(),
                false => image.color_space().device_rgb(),
            }
            image.bits_per_component(8);
            if let Some(mask) = mask {
                image.s_mask(mask);
            }
        };
        write(reference, rgb, alpha.map(|_| mask));
        if let Some(alpha) = alpha {
            write(mask, alpha, None);
        }
        self.pictures.push(reference);
        self.pictures.len() - 1
    }

    /// Writes the glyphs as fonts.
    fn write_fonts(&mut self) -> Vec<Ref> {
        let letters = std::mem::take(&mut self.letters);
        let mut fonts = Vec::new();
        for letters in letters.chunks(GLYPHS) {
            let (font, map) = (self.reference(), self.reference());
            let drawings: Vec<Ref> = letters.iter().map(|_| self.reference()).collect();
            let names: Vec<String> = (0..letters.len()).map(|i| format!("g{i}")).collect();
            for (letter, &reference) in letters.iter().zip(&drawings) {
                self.stream(reference, &letter.drawing());
            }
            let mut dictionary = self.pdf.type3_font(font);
            // All zero: readers then use the box of each glyph.
            dictionary.bbox(Rect::new(0.0, 0.0, 0.0, 0.0));
            dictionary.matrix([1.0 / UNITS, 0.0, 0.0, 1.0 / UNITS, 0.0, 0.0]);
            dictionary
                .first_char(0)
                .last_char((letters.len() - 1) as u8);
            dictionary.widths(letters.iter().map(|letter| letter.width));
            let mut procedures = dictionary.char_procs();
            for (name, &drawing) in names.iter().zip(&drawings) {
                procedures.pair(Name(name.as_bytes()), drawing);
            }
            procedures.finish();
            dictionary
                .encoding_custom()
                .differences()
                .consecutive(0, names.iter().map(|name| Name(name.as_bytes())));
            dictionary.resources();
            dictionary.to_unicode(map);
            dictionary.finish();
            self.write_map(map, letters);
            fonts.push(font);
        }
        fonts
    }

    /// Writes the characters of each glyph of a font.
    fn write_map(&mut self, reference: Ref, letters: &[PdfGlyph]) {
        let system = SystemInfo {
            registry: Str(b"Adobe"),
            ordering: Str(b"UCS"),
            supplement: 0,
        };
        let mut map = UnicodeCmap::<u8>::new(Name(b"Letters"), system);
        for (i, letter) in letters.iter().enumerate() {
            if !letter.text.is_empty() {
                map.pair_with_multiple(i as u8, letter.text.chars());
            }
        }
        self.stream(reference, &map.finish());
    }
}

impl PdfGlyph {
    /// The drawing commands.
    fn drawing(&self) -> Vec<u8> {
        let mut content = Content::new();
        let (mut low, mut high) = ((0.0_f32, 0.0_f32), (0.0_f32, 0.0_f32));
        for (x, y) in self.outline.iter().filter_map(|e| points(e).pop()) {
            let (x, y) = (x * self.scale, y * self.scale);
            low = (low.0.min(x), low.1.min(y));
            high = (high.0.max(x), high.1.max(y));
        }
        // Curves exceed their ends by less than an em.
        let (low, high) = (
            (low.0 - UNITS, low.1 - UNITS),
            (high.0 + UNITS, high.1 + UNITS),
        );
        content.start_shape_glyph(self.width, low.0, low.1, high.0, high.1);
        trace(&mut content, &self.outline, self.scale);
        content.fill_nonzero();
        content.finish().into_vec()
    }
}

/// Adds an outline to the path of `content`.
fn trace(content: &mut Content, outline: &[PathElement], scale: f32) {
    // Hundredths of a unit are not visible.
    let at = |(x, y): (f32, f32)| [x, y].map(|v| (v * scale * 100.0).round() / 100.0);
    let third = |from: f32, to: f32| from + (to - from) * 2.0 / 3.0;
    let mut last = (0.0, 0.0);
    for element in outline {
        let points = points(element);
        // PDF has cubic curves only.
        let cubic = match points[..] {
            [(cx, cy), (x, y)] => vec![
                (third(last.0, cx), third(last.1, cy)),
                (third(x, cx), third(y, cy)),
                (x, y),
            ],
            _ => points.clone(),
        };
        let numbers: Vec<f32> = cubic.into_iter().flat_map(at).collect();
        match (element, &numbers[..]) {
            (PathElement::MoveTo { .. }, &[x, y]) => content.move_to(x, y),
            (_, &[x, y]) => content.line_to(x, y),
            (_, &[ax, ay, bx, by, x, y]) => content.cubic_to(ax, ay, bx, by, x, y),
            _ => content.close_path(),
        };
        last = points.last().copied().unwrap_or(last);
    }
}

fn show_picture(content: &mut Content, index: usize, matrix: [f32; 6]) {
    content.save_state();
    content.transform(matrix);
    content.x_object(Name(picture_name(index).as_bytes()));
    content.restore_state();
}

fn set_fill(content: &mut Content, colour: [u8; 3]) {
    let [red, green, blue] = channels(colour);
    content.set_fill_rgb(red, green, blue);
}

fn channels(colour: [u8; 3]) -> [f32; 3] {
    colour.map(|channel| (f32::from(channel) / 255.0 * 1000.0).round() / 1000.0)
}

fn picture_name(index: usize) -> String {
    format!("P{index}")
}

fn font_name(index: usize) -> String {
    format!("F{index}")
}

#[cfg(test)]
mod tests {
    use miniz_oxide::inflate::decompress_to_vec_zlib;

    use super::*;
    use crate::text::Anchor;

    /// All compressed streams of a file, as text.
    fn streams(pdf: &[u8]) -> Vec<String> {
        let find = |from: usize, words: &[u8]| {
            let found = pdf[from..].windows(words.len()).position(|w| w == words)?;
            Some(from + found)
        };
        let mut streams = Vec::new();
        let mut at = 0;
        while let Some(start) = find(at, b"\nstream\n") {
            let end = find(start, b"\nendstream").unwrap();
            let bytes = decompress_to_vec_zlib(&pdf[start + 8..end]).unwrap();
            streams.push(String::from_utf8_lossy(&bytes).into_owned());
            at = end;
        }
        streams
    }

    fn page(words: &str) -> Page {
        let mut page = Page::new(100, 200);
        let at = (10, 50);
        page.write(words, 20.0, at, Anchor::Start, Direction::Across, [0; 3]);
        page
    }

    #[test]
    fn glyphs_have_their_characters() {
        let streams = streams(&page("loλ l").pdf());
        let map = streams.iter().find(|s| s.contains("begincmap")).unwrap();
        // The second l is the same glyph.
        for pair in ["<00> <006C>", "<01> <006F>", "<02> <03BB>", "<03> <0020>"] {
            assert!(map.contains(pair), "{pair} in {map}");
        }
        assert!(!map.contains("<04> <"), "{map}");
    }

    #[test]
    fn more_than_256_glyphs_use_several_fonts() {
        let words: String = ('\u{100}'..'\u{250}').collect();
        let pdf = page(&words).pdf();
        let text = String::from_utf8_lossy(&pdf);
        assert_eq!(text.matches("/Type3").count(), 2);
    }
}
