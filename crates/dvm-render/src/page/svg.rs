//! Writes a page as SVG.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dvm_image::encode_png;
use harfrust::font::glyph::outline::PathElement;

use super::{DrawOp, Page, embedded};
use crate::text::{Direction, GlyphShape, Line, shape_of};
use crate::xml::escaped;

/// The SVG file.
pub fn written(page: &Page) -> String {
    let (height, width) = (page.height, page.width);
    let mut glyphs = Glyphs::default();
    let mut body = String::new();
    for mark in &page.marks {
        draw(&mut body, mark, &mut glyphs);
    }
    let title = match page.title.as_str() {
        "" => String::new(),
        title => format!("<title>{}</title>\n", escaped(title)),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n{title}<defs>\n{}</defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{body}</svg>\n",
        glyphs.definitions
    )
}

/// The defined glyphs, by font and glyph number.
#[derive(Default)]
struct Glyphs {
    names: BTreeMap<(usize, u32), Option<String>>,
    definitions: String,
}

impl Glyphs {
    /// The id of a glyph, which is defined in font units with y upwards; `None` if it is empty.
    fn name(&mut self, glyph: &crate::text::Glyph) -> Option<String> {
        let key = (glyph.face.id, glyph.id.to_u32());
        if let Some(known) = self.names.get(&key) {
            return known.clone();
        }
        let name = format!("g{}", self.names.len());
        let ink = shape_of(&glyph.face, glyph.id);
        let drawn = match &ink {
            ink if ink.is_empty() => None,
            GlyphShape::Outline(outline) => Some(format!("<path d=\"{}\"/>", path(outline))),
            GlyphShape::Layers(layers) => Some(layers.iter().fold(String::new(), |mut all, layer| {
                let (outline, [red, green, blue, alpha]) = layer;
                write(
                    &mut all,
                    format_args!(
                        "<path d=\"{}\" fill=\"#{red:02x}{green:02x}{blue:02x}\" fill-opacity=\"{}\"/>",
                        path(outline),
                        number(f32::from(*alpha) / 255.0)
                    ),
                );
                all
            })),
            GlyphShape::Picture(picture) => Some(format!(
                "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" transform=\"scale(1,-1)\" \
                 preserveAspectRatio=\"none\" href=\"data:image/png;base64,{}\"/>",
                number(picture.left),
                number(-picture.top),
                number(picture.size.0),
                number(picture.size.1),
                STANDARD.encode(&picture.png)
            )),
        };
        let name = drawn.map(|drawn| {
            write(
                &mut self.definitions,
                format_args!("<g id=\"{name}\">{drawn}</g>\n"),
            );
            name
        });
        self.names.insert(key, name.clone());
        name
    }
}

fn write(out: &mut String, text: std::fmt::Arguments) {
    out.write_fmt(text)
        .expect("writing to a string does not fail");
}

fn draw(out: &mut String, mark: &DrawOp, glyphs: &mut Glyphs) {
    match mark {
        DrawOp::Fill { area, colour } => write(
            out,
            format_args!(
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n",
                area.left,
                area.top,
                area.width,
                area.height,
                hexadecimal(*colour)
            ),
        ),
        DrawOp::Picture { area, picture } => write(
            out,
            format_args!(
                "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
                 style=\"image-rendering:{}\" href=\"data:image/png;base64,{}\"/>\n",
                area.left,
                area.top,
                area.width,
                area.height,
                // Enlarged pictures keep sharp pixels; reduced ones are smoothed.
                if picture.width() <= area.width {
                    "pixelated"
                } else {
                    "auto"
                },
                STANDARD.encode(encode_png(&embedded(picture, *area)))
            ),
        ),
        DrawOp::Stroke {
            points,
            thickness,
            colour,
        } => {
            let mut path = String::new();
            for (i, (x, y)) in points.iter().enumerate() {
                let command = if i == 0 { 'M' } else { 'L' };
                write(
                    &mut path,
                    format_args!("{command}{} {}", number(*x), number(*y)),
                );
            }
            if points.len() == 1 {
                path.push_str("h0");
            }
            write(
                out,
                format_args!(
                    "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" \
                     stroke-linecap=\"round\" stroke-linejoin=\"round\"/>\n",
                    hexadecimal(*colour),
                    number(*thickness)
                ),
            );
        }
        DrawOp::Text {
            line,
            words,
            at,
            direction,
            colour,
        } => draw_text(out, (line, words), *at, *direction, *colour, glyphs),
    }
}

fn draw_text(
    out: &mut String,
    (line, words): (&Line, &str),
    (x, y): (i64, i64),
    direction: Direction,
    colour: [u8; 3],
    glyphs: &mut Glyphs,
) {
    let turn = match direction {
        Direction::Across => "",
        Direction::Upwards => " rotate(-90)",
    };
    write(
        out,
        format_args!(
            "<g role=\"img\" aria-label=\"{}\" fill=\"{}\" transform=\"translate({x},{y}){turn}\">",
            escaped(words),
            hexadecimal(colour)
        ),
    );
    for glyph in &line.glyphs {
        let Some(name) = glyphs.name(glyph) else {
            continue;
        };
        // With six digits, a glyph of 2048 units is exact to 0.01 pixels.
        let scale = line.size / glyph.face.units;
        write(
            out,
            format_args!(
                "<use href=\"#{name}\" transform=\"translate({},{}) scale({scale:.6},-{scale:.6})\"/>",
                number(glyph.x),
                number(-glyph.y)
            ),
        );
    }
    out.push_str("</g>\n");
}

/// The commands of an outline, in font units.
fn path(outline: &[PathElement]) -> String {
    let mut path = String::new();
    for element in outline {
        match *element {
            PathElement::MoveTo { x, y } => {
                write(&mut path, format_args!("M{} {}", number(x), number(y)));
            }
            PathElement::LineTo { x, y } => {
                write(&mut path, format_args!("L{} {}", number(x), number(y)));
            }
            PathElement::QuadTo { cx0, cy0, x, y } => {
                let [cx0, cy0, x, y] = [cx0, cy0, x, y].map(number);
                write(&mut path, format_args!("Q{cx0} {cy0} {x} {y}"));
            }
            PathElement::CurveTo {
                cx0,
                cy0,
                cx1,
                cy1,
                x,
                y,
            } => {
                let [cx0, cy0, cx1, cy1, x, y] = [cx0, cy0, cx1, cy1, x, y].map(number);
                write(&mut path, format_args!("C{cx0} {cy0} {cx1} {cy1} {x} {y}"));
            }
            PathElement::Close => path.push('Z'),
        }
    }
    path
}

fn hexadecimal([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A number with up to two decimals.
fn number(value: f32) -> String {
    let hundredths = (f64::from(value) * 100.0).round() as i64;
    let sign = if hundredths < 0 { "-" } else { "" };
    let (whole, rest) = (hundredths.abs() / 100, hundredths.abs() % 100);
    match rest {
        0 => format!("{sign}{whole}"),
        rest if rest % 10 == 0 => format!("{sign}{whole}.{}", rest / 10),
        rest => format!("{sign}{whole}.{rest:02}"),
    }
}
