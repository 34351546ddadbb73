//! The shape of a glyph: an outline, coloured outlines, or a bitmap.

use harfrust::GlyphId;
use harfrust::font::glyph::bitmap::{Origin, Pixels};
use harfrust::font::glyph::color::{Brush, ColorStop, PaintSink};
use harfrust::font::glyph::outline::{DrawMemory, DrawOptions, PathElement};
use read_fonts::tables::colr::CompositeMode;
use read_fonts::types::{BoundingBox, Matrix};

use super::fonts::Face;

/// The shape of a glyph, in font units, upwards from the baseline.
pub(crate) enum GlyphShape {
    /// An outline in the colour of the text.
    Outline(Vec<PathElement>),
    /// Outlines with colours (red, green, blue, alpha), the lowest first.
    Layers(Vec<(Vec<PathElement>, [u8; 4])>),
    Picture(BitmapGlyph),
}

/// A bitmap glyph, such as an emoji.
pub(crate) struct BitmapGlyph {
    /// The PNG file in the font.
    pub png: Vec<u8>,
    /// Rows of pixels: red, green, blue, alpha.
    pub rgba: Vec<u8>,
    pub width: usize,
    pub height: usize,
    /// The left edge, and the upper edge above the baseline, in font units.
    pub left: f32,
    pub top: f32,
    /// Width and height in font units.
    pub size: (f32, f32),
}

impl GlyphShape {
    /// Whether the glyph is invisible.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Outline(path) => path.is_empty(),
            Self::Layers(layers) => layers.iter().all(|(path, _)| path.is_empty()),
            Self::Picture(_) => false,
        }
    }
}

/// The shape of a glyph of `face`.
pub(crate) fn of(face: &Face, glyph: GlyphId) -> GlyphShape {
    if let Some(picture) = pictograph(face, glyph) {
        return GlyphShape::Picture(picture);
    }
    if let Some(layers) = layers(face, glyph).filter(|layers| !layers.is_empty()) {
        return GlyphShape::Layers(layers);
    }
    GlyphShape::Outline(outline(face, glyph))
}

fn outline(face: &Face, glyph: GlyphId) -> Vec<PathElement> {
    let mut path = Vec::new();
    let Some(outline) = face.font.outline_glyphs().get(glyph) else {
        return path;
    };
    match outline.draw(&DrawOptions::new(), DrawMemory::Scratch, &mut path) {
        Ok(_) => path,
        // An incomplete glyph is not drawn.
        Err(_) => Vec::new(),
    }
}

/// The maximum side of a bitmap glyph; no emoji font has larger ones.
const LARGEST: u32 = 1024;

fn pictograph(face: &Face, glyph: GlyphId) -> Option<BitmapGlyph> {
    let bitmap = face
        .font
        .bitmap_strikes()
        .select_bitmap(glyph, Some(160.0))?;
    let Pixels::Png(png) = bitmap.pixels() else {
        return None;
    };
    let (width, height, rgba) = decoded(png)?;
    let across = face.units / f32::from(bitmap.ppem_x().max(1));
    let upwards = face.units / f32::from(bitmap.ppem_y().max(1));
    let top = match bitmap.origin() {
        Origin::TopLeft => bitmap.inner_y_bearing() as f32,
        Origin::BottomLeft => bitmap.inner_y_bearing() as f32 + height as f32,
    };
    Some(BitmapGlyph {
        png: png.to_vec(),
        rgba,
        width,
        height,
        left: bitmap.x_bearing() as f32 + bitmap.inner_x_bearing() as f32 * across,
        top: bitmap.y_bearing() as f32 + top * upwards,
        size: (width as f32 * across, height as f32 * upwards),
    })
}

/// Width, height and pixels with alpha of a PNG file.
fn decoded(png: &[u8]) -> Option<(usize, usize, Vec<u8>)> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(
        png::Transformations::normalize_to_color8() | png::Transformations::ALPHA,
    );
    let mut reader = decoder.read_info().ok()?;
    let (width, height) = reader.info().size();
    if width.max(height) > LARGEST || width.min(height) == 0 {
        return None;
    }
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut pixels).ok()?;
    pixels.truncate(frame.buffer_size());
    let rgba = match frame.color_type {
        png::ColorType::Rgba => pixels,
        png::ColorType::GrayscaleAlpha => pixels
            .chunks_exact(2)
            .flat_map(|p| [p[0], p[0], p[0], p[1]])
            .collect(),
        _ => return None,
    };
    (rgba.len() == 4 * width as usize * height as usize).then_some((
        width as usize,
        height as usize,
        rgba,
    ))
}

fn layers(face: &Face, glyph: GlyphId) -> Option<Vec<(Vec<PathElement>, [u8; 4])>> {
    let glyph = face.font.color_glyphs().get(glyph)?;
    let palette = face.font.palettes().get(0);
    let colours: Vec<[u8; 4]> = palette
        .iter()
        .flat_map(|palette| palette.colors())
        .map(|colour| [colour.red(), colour.green(), colour.blue(), colour.alpha()])
        .collect();
    let mut layers = Layers {
        face,
        colours,
        transforms: vec![IDENTITY],
        clips: Vec::new(),
        painted: Vec::new(),
    };
    glyph.paint(&mut layers).ok()?;
    Some(layers.painted)
}

const IDENTITY: [f32; 6] = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

/// Collects the layers of a colour glyph. A gradient gets its mean colour.
struct Layers<'a> {
    face: &'a Face,
    colours: Vec<[u8; 4]>,
    transforms: Vec<[f32; 6]>,
    clips: Vec<Option<Vec<PathElement>>>,
    painted: Vec<(Vec<PathElement>, [u8; 4])>,
}

/// Maximum layers of a glyph, against malicious fonts.
const MOST_LAYERS: usize = 500;

impl Layers<'_> {
    fn colour(&self, palette_index: u16, alpha: f32) -> [f32; 4] {
        // 0xffff means the colour of the text, which is dark grey.
        let colour = self.colours.get(usize::from(palette_index));
        let colour = colour.copied().unwrap_or([38, 38, 38, 255]);
        let [red, green, blue, own] = colour.map(f32::from);
        [red, green, blue, own * alpha]
    }

    fn mean(&self, stops: &[ColorStop]) -> [f32; 4] {
        let mut sum = [0.0; 4];
        for stop in stops {
            let colour = self.colour(stop.palette_index, stop.alpha);
            for (sum, channel) in sum.iter_mut().zip(colour) {
                *sum += channel / stops.len() as f32;
            }
        }
        sum
    }
}

impl PaintSink for Layers<'_> {
    fn push_transform(&mut self, transform: Matrix<f32>) {
        let m = transform;
        let inner = [m.xx, m.yx, m.xy, m.yy, m.dx, m.dy];
        let outer = self.transforms.last().copied().unwrap_or(IDENTITY);
        let [a, b, c, d, e, f] = outer;
        let [p, q, r, s, t, u] = inner;
        self.transforms.push([
            a * p + c * q,
            b * p + d * q,
            a * r + c * s,
            b * r + d * s,
            a * t + c * u + e,
            b * t + d * u + f,
        ]);
    }

    fn pop_transform(&mut self) {
        self.transforms.pop();
    }

    fn push_clip_glyph(&mut self, glyph: GlyphId) {
        let [a, b, c, d, e, f] = self.transforms.last().copied().unwrap_or_default();
        let at = |x: f32, y: f32| (a * x + c * y + e, b * x + d * y + f);
        let moved = outline(self.face, glyph)
            .into_iter()
            .map(|element| match element {
                PathElement::MoveTo { x, y } => {
                    let (x, y) = at(x, y);
                    PathElement::MoveTo { x, y }
                }
                PathElement::LineTo { x, y } => {
                    let (x, y) = at(x, y);
                    PathElement::LineTo { x, y }
                }
                PathElement::QuadTo { cx0, cy0, x, y } => {
                    let ((cx0, cy0), (x, y)) = (at(cx0, cy0), at(x, y));
                    PathElement::QuadTo { cx0, cy0, x, y }
                }
                PathElement::CurveTo {
                    cx0,
                    cy0,
                    cx1,
                    cy1,
                    x,
                    y,
                } => {
                    let ((cx0, cy0), (cx1, cy1), (x, y)) = (at(cx0, cy0), at(cx1, cy1), at(x, y));
                    PathElement::CurveTo {
                        cx0,
                        cy0,
                        cx1,
                        cy1,
                        x,
                        y,
                    }
                }
                PathElement::Close => PathElement::Close,
            })
            .collect();
        self.clips.push(Some(moved));
    }

    fn push_clip_box(&mut self, _: BoundingBox<f32>) {
        // Not needed: glyphs are inside their boxes.
        self.clips.push(None);
    }

    fn pop_clip(&mut self) {
        self.clips.pop();
    }

    fn fill(&mut self, brush: Brush<'_>) {
        let colour = match brush {
            Brush::Solid {
                palette_index,
                alpha,
            } => self.colour(palette_index, alpha),
            Brush::LinearGradient { color_stops, .. }
            | Brush::RadialGradient { color_stops, .. }
            | Brush::SweepGradient { color_stops, .. } => self.mean(color_stops),
        };
        let clip = self.clips.iter().rev().flatten().next();
        if let Some(path) = clip.filter(|_| self.painted.len() < MOST_LAYERS) {
            let colour = colour.map(|channel| channel.round() as u8);
            self.painted.push((path.clone(), colour));
        }
    }

    fn push_layer(&mut self, _: CompositeMode) {}
}
