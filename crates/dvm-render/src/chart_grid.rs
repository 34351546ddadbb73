//! Charts of one size in rows below a heading.

use crate::page::Page;
use crate::style::{HEADING, HEADING_BASELINE, HEADING_ROOM, MARGIN};

const GAP: usize = 56;
const CHARTS_PER_ROW: usize = 3;

/// A page with `count` charts of `size` (width, height). `draw` gets the index of each and its upper left
/// pixel (top, left).
pub(crate) fn chart_grid(
    heading: Option<&str>,
    count: usize,
    size: (usize, usize),
    draw: impl Fn(&mut Page, usize, (usize, usize)),
) -> Page {
    let columns = count.clamp(1, CHARTS_PER_ROW);
    let rows = count.div_ceil(CHARTS_PER_ROW);
    let first = MARGIN + if heading.is_some() { HEADING_ROOM } else { 0 };
    let width = columns * (size.0 + GAP) - GAP + 2 * MARGIN;
    let height = first + (rows * (size.1 + GAP)).saturating_sub(GAP) + MARGIN;
    let mut page = Page::new(height, width);
    if let Some(heading) = heading {
        let at = (width / 2, MARGIN + HEADING_BASELINE);
        page.title(heading, HEADING, at, width - 2 * MARGIN);
    }
    for index in 0..count {
        let left = MARGIN + (index % CHARTS_PER_ROW) * (size.0 + GAP);
        let top = first + (index / CHARTS_PER_ROW) * (size.1 + GAP);
        draw(&mut page, index, (top, left));
    }
    page
}
