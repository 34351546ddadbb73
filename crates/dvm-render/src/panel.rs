//! A panel of a figure: a picture with title, axes, colour bar and notes.

use dvm_image::Picture;

use crate::Scale;
use crate::canvas::{Area, pale};
use crate::colour_bar::ColourBar;
use crate::marks::labels_below;
use crate::page::Page;
use crate::style::{INK, LABEL, LINE, SOFT, TICK, TICK_GAP, TITLE, TITLE_GAP};
use crate::text::{self, Anchor, Direction};
use crate::ticks::whole_step;

/// The minimum width for titles and notes.
const NARROWEST: usize = 260;
/// The maximum width of a drawn picture; a wider one is drawn smaller.
const WIDEST: usize = 1200;
/// The minimum length of a side.
const THINNEST: usize = 16;
/// The minimum distance between ticks of the pixel axes.
const TICK_DISTANCE: f64 = 70.0;
const NOTE_LINE: usize = 25;
const NOTE_LINES: usize = 3;
/// The colour and the thickness of a region's frame.
const REGION: [u8; 3] = [214, 39, 40];
const REGION_LINE: usize = 3;

/// A panel of a figure.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The title above the picture, shortened if it is too wide.
    pub title: String,
    /// A note below the picture, in at most three lines, followed by [`Scale::note`].
    pub note: Option<String>,
    /// The picture, scaled by the figure.
    pub picture: Picture,
    /// The scale of the colour bar; `None` for no bar.
    pub bar: Option<Scale>,
    /// The label of the colour bar.
    pub bar_label: Option<String>,
    /// Rows and columns of the axes, independent of the size of `picture`; they set the
    /// proportions.
    pub pixel_axes: (usize, usize),
    /// A region to highlight: it is framed, and the rest is pale. Such a panel is an overview, and
    /// not wider than the height of the figure's pictures.
    pub region: Option<Region>,
}

impl Panel {
    /// A panel without bar and notes; its axes count the pixels of `picture`.
    pub fn new(title: impl Into<String>, picture: Picture) -> Self {
        Self {
            title: title.into(),
            note: None,
            pixel_axes: (picture.height(), picture.width()),
            picture,
            bar: None,
            bar_label: None,
            region: None,
        }
    }
}

/// A rectangle in the pixels of the axes of a [`Panel`]: start and end (exclusive).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Rows.
    pub rows: (f64, f64),
    /// Columns.
    pub columns: (f64, f64),
}

/// A panel with its layout.
pub(crate) struct PanelLayout<'a> {
    panel: &'a Panel,
    /// Rows and columns of the picture as drawn.
    pub height: usize,
    pub width: usize,
    /// Width of everything left and right of the picture.
    pub left: usize,
    pub right: usize,
    bar: Option<ColourBar<'a>>,
    notes: Vec<String>,
    /// Distance between ticks of the axes, in pixels of the axes.
    step: usize,
}

impl<'a> PanelLayout<'a> {
    /// Measures `panel` with its picture `height` pixels high.
    pub fn new(panel: &'a Panel, height: usize) -> Self {
        let (rows, columns) = axes(panel);
        let widest = panel.region.map_or(WIDEST, |_| height);
        let (height, width) = drawn_size(rows, columns, height, widest);
        let bar = panel
            .bar
            .as_ref()
            .map(|scale| ColourBar::new(scale, panel.bar_label.as_deref(), height));
        let scale_note = panel.bar.as_ref().and_then(Scale::note);
        let room = width.max(NARROWEST) as f32;
        let notes = [panel.note.as_deref(), scale_note.as_deref()]
            .into_iter()
            .flatten()
            .flat_map(|note| text::wrapped(note, LABEL, room, NOTE_LINES))
            .collect();
        let pixels_per_row = (height as f64 / rows as f64).min(width as f64 / columns as f64);
        let mut measured = Self {
            panel,
            height,
            width,
            left: 0,
            right: bar.as_ref().map_or(0, ColourBar::width),
            bar,
            notes,
            step: whole_step(TICK_DISTANCE / pixels_per_row),
        };
        let (label_width, overhang) = measured.axis_labels();
        measured.left = LINE + TICK + TICK_GAP + label_width;
        measured.right = measured.right.max(overhang).max(LINE);
        measured
    }

    pub fn has_title(&self) -> bool {
        !self.panel.title.trim().is_empty()
    }

    /// The width for the picture and the texts centred on it.
    pub fn centre(&self) -> usize {
        let texts = if self.has_title() || !self.notes.is_empty() {
            NARROWEST
        } else {
            0
        };
        self.width.max(texts)
    }

    /// Height of everything below the picture.
    pub fn below(&self) -> usize {
        let notes = match self.notes.len() {
            0 => 0,
            n => n * NOTE_LINE + TICK_GAP,
        };
        LINE + TICK + TICK_GAP + LABEL as usize + notes
    }

    /// Draws the panel with the upper left pixel of its picture at `(top, left)`.
    pub fn draw(&self, canvas: &mut Page, top: usize, left: usize) {
        let area = Area {
            left,
            top,
            width: self.width,
            height: self.height,
        };
        match self.panel.region {
            None => canvas.paste(self.panel.picture.clone(), area),
            Some(region) => self.draw_region(canvas, area, region),
        }
        canvas.frame(area, LINE, INK);
        self.draw_axes(canvas, area);
        if let Some(bar) = &self.bar {
            bar.draw(canvas, top, area.right());
        }
        let middle = left + self.width / 2;
        let at = (middle, top.saturating_sub(TITLE_GAP));
        canvas.title(&self.panel.title, TITLE, at, self.centre());
        let mut baseline = labels_below(area) + TICK_GAP;
        for note in &self.notes {
            baseline += NOTE_LINE;
            let at = (middle, baseline);
            canvas.write(note, LABEL, at, Anchor::Middle, Direction::Across, SOFT);
        }
    }

    /// Draws the picture with `region` framed and the rest pale.
    fn draw_region(&self, canvas: &mut Page, area: Area, region: Region) {
        let (rows, columns) = axes(self.panel);
        // As shares of the picture's sides.
        let share = |(from, to): (f64, f64), count: usize| {
            [from, to].map(|value| (value / count as f64).clamp(0.0, 1.0))
        };
        let (down, across) = (share(region.rows, rows), share(region.columns, columns));
        let mut picture = self.panel.picture.clone();
        let (height, width) = (picture.height(), picture.width());
        let within = |[from, to]: [f64; 2], index: usize, count: usize| {
            let middle = (index as f64 + 0.5) / count as f64;
            (from..to).contains(&middle)
        };
        for y in 0..height {
            for x in 0..width {
                if !(within(down, y, height) && within(across, x, width)) {
                    picture.set_pixel(y, x, pale(picture.pixel(y, x)));
                }
            }
        }
        canvas.paste(picture, area);
        let place = |share: f64, length: usize| (share * length as f64).round() as usize;
        let [top, bottom] = down.map(|share| place(share, area.height));
        let [left, right] = across.map(|share| place(share, area.width));
        // The frame is inside the region, so that it is inside the picture, too.
        let inner = |thickness: usize| Area {
            left: area.left + left + thickness,
            top: area.top + top + thickness,
            width: (right - left).saturating_sub(2 * thickness),
            height: (bottom - top).saturating_sub(2 * thickness),
        };
        canvas.frame(inner(REGION_LINE), REGION_LINE, REGION);
        canvas.frame(inner(REGION_LINE + 1), 1, [255; 3]);
    }

    fn draw_axes(&self, canvas: &mut Page, area: Area) {
        let (rows, columns) = axes(self.panel);
        for row in (0..rows).step_by(self.step) {
            let y = pixel_centre(row, rows, self.height) + area.top as f64;
            canvas.tick_left(area, y, &row.to_string());
        }
        for column in (0..columns).step_by(self.step) {
            let x = pixel_centre(column, columns, self.width) + area.left as f64;
            canvas.tick_below(area, x.round() as usize, &column.to_string());
        }
    }

    /// The width of the longest row label, and how far the last column label extends beyond the
    /// picture.
    fn axis_labels(&self) -> (usize, usize) {
        let (rows, columns) = axes(self.panel);
        let last = |count: usize| (count - 1) / self.step * self.step;
        let row = text::length(&last(rows).to_string(), LABEL);
        let column = f64::from(text::length(&last(columns).to_string(), LABEL));
        let end = pixel_centre(last(columns), columns, self.width) + column / 2.0;
        let overhang = (end - self.width as f64).max(0.0);
        (row.ceil() as usize, overhang.ceil() as usize)
    }
}

/// Rows and columns of the axes, at least one each.
fn axes(panel: &Panel) -> (usize, usize) {
    let (rows, columns) = panel.pixel_axes;
    (rows.max(1), columns.max(1))
}

/// The centre of pixel `index` of `count` on a side of `length`.
fn pixel_centre(index: usize, count: usize, length: usize) -> f64 {
    (index as f64 + 0.5) * length as f64 / count as f64
}

/// The drawn size of a picture of `rows × columns`, `height` pixels high and at most `widest` wide.
fn drawn_size(rows: usize, columns: usize, height: usize, widest: usize) -> (usize, usize) {
    let proportion = columns as f64 / rows as f64;
    let width = height as f64 * proportion;
    let (height, width) = if width > widest as f64 {
        (widest as f64 / proportion, widest as f64)
    } else {
        (height as f64, width)
    };
    let side = |length: f64| (length.round() as usize).max(THINNEST);
    (side(height), side(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_kept_up_to_the_widest_and_thinnest() {
        assert_eq!(drawn_size(224, 224, 448, WIDEST), (448, 448));
        assert_eq!(drawn_size(200, 300, 400, WIDEST), (400, 600));
        assert_eq!(drawn_size(100, 1000, 400, WIDEST), (120, 1200));
        assert_eq!(drawn_size(1, 100_000, 400, WIDEST), (16, 1200));
        assert_eq!(drawn_size(100_000, 1, 400, WIDEST), (400, 16));
    }

    #[test]
    fn an_overview_is_not_wider_than_high() {
        assert_eq!(drawn_size(200, 400, 448, 448), (224, 448));
        assert_eq!(drawn_size(400, 200, 448, 448), (448, 224));
    }

    #[test]
    fn the_axes_have_round_steps() {
        for ((rows, columns), step) in [
            ((224, 224), 50),
            ((7, 7), 2),
            ((384, 384), 100),
            ((1, 1), 1),
        ] {
            let panel = Panel::new("", Picture::filled(rows, columns, [0; 3]));
            assert_eq!(PanelLayout::new(&panel, 448).step, step);
        }
    }
}
