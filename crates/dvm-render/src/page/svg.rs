//! Writes a page as SVG.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dvm_image::encode_png;
use harfrust::font::glyph::outline::PathElement;

use super::{DrawOp, Page, embedded};
use crate::canvas::Area;
use crate::text::{Direction, GlyphShape, Line, points, shape_of};
use crate::xml::{decimal, escaped};

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
            GlyphShape::Layers(layers) => {
                let layer = |(outline, colour): &(Vec<PathElement>, [u8; 4])| {
                    let [red, green, blue, alpha] = *colour;
                    format!(
                        "<path d=\"{}\" fill=\"{}\" fill-opacity=\"{}\"/>",
                        path(outline),
                        hexadecimal([red, green, blue]),
                        number(f32::from(alpha) / 255.0)
                    )
                };
                Some(layers.iter().map(layer).collect())
            }
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
            self.definitions += &format!("<g id=\"{name}\">{drawn}</g>\n");
            name
        });
        self.names.insert(key, name.clone());
        name
    }
}

fn draw(out: &mut String, mark: &DrawOp, glyphs: &mut Glyphs) {
    match mark {
        DrawOp::Fill { area, colour } => {
            *out += &format!(
                "<rect {} fill=\"{}\"/>\n",
                sides(*area),
                hexadecimal(*colour)
            );
        }
        DrawOp::Picture { area, picture } => {
            // Enlarged pictures keep sharp pixels; reduced ones are smoothed.
            let rendering = match picture.width() <= area.width {
                true => "pixelated",
                false => "auto",
            };
            *out += &format!(
                "<image {} preserveAspectRatio=\"none\" style=\"image-rendering:{rendering}\" \
                 href=\"data:image/png;base64,{}\"/>\n",
                sides(*area),
                STANDARD.encode(encode_png(&embedded(picture, *area)))
            );
        }
        DrawOp::Stroke {
            points,
            thickness,
            colour,
        } => {
            let mut path = String::new();
            for (i, (x, y)) in points.iter().enumerate() {
                let command = if i == 0 { 'M' } else { 'L' };
                path += &format!("{command}{} {}", number(*x), number(*y));
            }
            if points.len() == 1 {
                path.push_str("h0");
            }
            *out += &format!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" \
                 stroke-linecap=\"round\" stroke-linejoin=\"round\"/>\n",
                hexadecimal(*colour),
                number(*thickness)
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
    *out += &format!(
        "<g role=\"img\" aria-label=\"{}\" fill=\"{}\" transform=\"translate({x},{y}){turn}\">",
        escaped(words),
        hexadecimal(colour)
    );
    for glyph in &line.glyphs {
        let Some(name) = glyphs.name(glyph) else {
            continue;
        };
        // With six digits, a glyph of 2048 units is exact to 0.01 pixels.
        let scale = line.size / glyph.face.units;
        *out += &format!(
            "<use href=\"#{name}\" transform=\"translate({},{}) scale({scale:.6},-{scale:.6})\"/>",
            number(glyph.x),
            number(-glyph.y)
        );
    }
    out.push_str("</g>\n");
}

/// The commands of an outline, in font units.
fn path(outline: &[PathElement]) -> String {
    let mut path = String::new();
    for element in outline {
        path.push(match element {
            PathElement::MoveTo { .. } => 'M',
            PathElement::LineTo { .. } => 'L',
            PathElement::QuadTo { .. } => 'Q',
            PathElement::CurveTo { .. } => 'C',
            PathElement::Close => 'Z',
        });
        let points = points(element).into_iter();
        let numbers: Vec<String> = points.flat_map(|(x, y)| [x, y].map(number)).collect();
        path += &numbers.join(" ");
    }
    path
}

/// Position and size as attributes.
fn sides(area: Area) -> String {
    let Area {
        left,
        top,
        width,
        height,
    } = area;
    format!("x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"")
}

fn hexadecimal([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A number with up to two decimals.
fn number(value: f32) -> String {
    decimal(value.into(), 2)
}
