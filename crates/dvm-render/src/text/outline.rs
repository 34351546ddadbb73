//! Outlines of glyphs.

use harfrust::font::glyph::outline::PathElement;

/// The points of a path element: its control points, then its end.
pub(crate) fn points(element: &PathElement) -> Vec<(f32, f32)> {
    match *element {
        PathElement::MoveTo { x, y } | PathElement::LineTo { x, y } => vec![(x, y)],
        PathElement::QuadTo { cx0, cy0, x, y } => vec![(cx0, cy0), (x, y)],
        PathElement::CurveTo {
            cx0,
            cy0,
            cx1,
            cy1,
            x,
            y,
        } => vec![(cx0, cy0), (cx1, cy1), (x, y)],
        PathElement::Close => Vec::new(),
    }
}
