//! Draws glyphs as pixels.

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use dvm_image::Picture;
use harfrust::font::glyph::outline::PathElement;

use super::glyph_shape::{self, BitmapGlyph, GlyphShape};
use super::{Direction, Glyph, Line, points};
use crate::canvas::blend;

/// Draws `line` from column `x` and row `y`. The baseline is row `y`, or column `x` for vertical
/// text. Pixels outside the canvas are ignored.
pub(crate) fn paint(
    canvas: &mut Picture,
    line: &Line,
    (x, y): (i64, i64),
    direction: Direction,
    colour: [u8; 3],
) {
    let mut put = |across: i64, down: i64, coverage: f32, colour: [u8; 3]| {
        let (column, row) = match direction {
            Direction::Across => (x + across, y + down),
            Direction::Upwards => (x + down, y - 1 - across),
        };
        blend(canvas, row, column, coverage, colour);
    };
    for glyph in &line.glyphs {
        let scale = line.size / glyph.face.units;
        let at = (glyph.x, -glyph.y);
        match glyph_shape::of(&glyph.face, glyph.id) {
            GlyphShape::Outline(path) => fill(&path, scale, at, |x, y, c| put(x, y, c, colour)),
            GlyphShape::Layers(layers) => {
                for (path, [red, green, blue, alpha]) in layers {
                    let alpha = f32::from(alpha) / 255.0;
                    let colour = [red, green, blue];
                    fill(&path, scale, at, |x, y, c| {
                        put(x, y, c.min(1.0) * alpha, colour);
                    });
                }
            }
            GlyphShape::Picture(picture) => paste(&picture, glyph, scale, &mut put),
        }
    }
}

/// Fills a path, calling `put` with column, row and coverage.
fn fill(path: &[PathElement], scale: f32, (x, y): (f32, f32), mut put: impl FnMut(i64, i64, f32)) {
    let (mut low, mut high) = (point(f32::MAX, f32::MAX), point(f32::MIN, f32::MIN));
    let scaled = |x: f32, y: f32| point(x * scale, y * -scale);
    for (x, y) in path.iter().flat_map(points) {
        let Point { x, y } = scaled(x, y);
        low = point(low.x.min(x), low.y.min(y));
        high = point(high.x.max(x), high.y.max(y));
    }
    if low.x > high.x {
        return;
    }
    let (left, top) = ((low.x + x).floor(), (low.y + y).floor());
    let size = ((high.x + x).ceil() - left, (high.y + y).ceil() - top);
    // A font with wrong metrics must not use up the memory.
    if !(size.0 < 4000.0 && size.1 < 4000.0) {
        return;
    }
    let mut rasterizer = Rasterizer::new(size.0 as usize, size.1 as usize);
    let offset = point(x - left, y - top);
    let (mut start, mut last) = (point(0.0, 0.0), point(0.0, 0.0));
    for element in path {
        let points = points(element).into_iter();
        let points: Vec<Point> = points.map(|(x, y)| scaled(x, y) + offset).collect();
        match (element, &points[..]) {
            (PathElement::MoveTo { .. }, &[to]) => start = to,
            (_, &[to]) => rasterizer.draw_line(last, to),
            (_, &[control, to]) => rasterizer.draw_quad(last, control, to),
            (_, &[one, two, to]) => rasterizer.draw_cubic(last, one, two, to),
            _ => rasterizer.draw_line(last, start),
        }
        last = points.last().copied().unwrap_or(start);
    }
    rasterizer.for_each_pixel_2d(|across, down, coverage| {
        let (across, down) = (
            left as i64 + i64::from(across),
            top as i64 + i64::from(down),
        );
        put(across, down, coverage);
    });
}

/// Draws a bitmap glyph; each pixel is the mean of the area that it covers.
fn paste(
    picture: &BitmapGlyph,
    glyph: &Glyph,
    scale: f32,
    put: &mut impl FnMut(i64, i64, f32, [u8; 3]),
) {
    let left = glyph.x + picture.left * scale;
    let top = -glyph.y - picture.top * scale;
    let (width, height) = (picture.size.0 * scale, picture.size.1 * scale);
    let columns = left.floor() as i64..(left + width).ceil() as i64;
    for row in top.floor() as i64..(top + height).ceil() as i64 {
        for column in columns.clone() {
            let across = shares(column as f32 - left, width, picture.width);
            let down = shares(row as f32 - top, height, picture.height);
            let (mut colour, mut alpha, mut all) = ([0.0_f32; 3], 0.0_f32, 0.0_f32);
            for (y, tall) in down {
                for &(x, wide) in &across {
                    let pixel = &picture.rgba[4 * (y * picture.width + x)..][..4];
                    let share = tall * wide;
                    let covered = share * f32::from(pixel[3]) / 255.0;
                    for (sum, channel) in colour.iter_mut().zip(pixel) {
                        *sum += covered * f32::from(*channel);
                    }
                    alpha += covered;
                    all += share;
                }
            }
            if alpha > 0.0 {
                let colour = colour.map(|sum| (sum / alpha).round() as u8);
                // At the border the bitmap covers only a part of the pixel.
                let whole = (picture.width as f32 / width) * (picture.height as f32 / height);
                put(column, row, alpha / whole.max(all), colour);
            }
        }
    }
}

/// The source pixels, with covered lengths, under the pixel from `start` to `start + 1`, if `count`
/// source pixels have the drawn length `length`.
fn shares(start: f32, length: f32, count: usize) -> Vec<(usize, f32)> {
    let factor = count as f32 / length;
    let low = (start * factor).clamp(0.0, count as f32);
    let high = ((start + 1.0) * factor).clamp(0.0, count as f32);
    (low as usize..(high.ceil() as usize).min(count))
        .map(|i| (i, high.min((i + 1) as f32) - low.max(i as f32)))
        .filter(|&(_, share)| share > 0.0)
        .collect()
}
