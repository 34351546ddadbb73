//! A page: a list of drawing operations, written as pixels, SVG or PDF.

mod pdf;
mod svg;

use std::borrow::Cow;

use dvm_image::Picture;

use crate::canvas::{self, Area};
use crate::resample::resampled;
use crate::stroke;
use crate::text::{self, Anchor, Direction, Line};

/// A drawing of rectangles, pictures, lines and text on white, with coordinates in pixels.
/// [`Page::picture`] draws it as pixels, [`Page::svg`] and [`Page::pdf`] as vector graphics. The
/// same page gives the same bytes.
pub struct Page {
    height: usize,
    width: usize,
    title: String,
    marks: Vec<DrawOp>,
}

/// A drawing operation. Later ones cover earlier ones.
enum DrawOp {
    Fill {
        area: Area,
        colour: [u8; 3],
    },
    /// A picture scaled to an area.
    Picture {
        area: Area,
        picture: Picture,
    },
    Stroke {
        points: Vec<(f32, f32)>,
        thickness: f32,
        colour: [u8; 3],
    },
    Text {
        line: Line,
        words: String,
        at: (i64, i64),
        direction: Direction,
        colour: [u8; 3],
    },
}

impl DrawOp {
    /// Moves the operation on the page.
    fn shift(&mut self, down: usize, right: usize) {
        match self {
            Self::Fill { area, .. } | Self::Picture { area, .. } => {
                area.top += down;
                area.left += right;
            }
            Self::Stroke { points, .. } => {
                for (x, y) in points {
                    *x += right as f32;
                    *y += down as f32;
                }
            }
            Self::Text { at: (x, y), .. } => {
                *x += right as i64;
                *y += down as i64;
            }
        }
    }
}

impl Page {
    /// A white page.
    pub(crate) fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            title: String::new(),
            marks: Vec::new(),
        }
    }

    /// Pages below each other, centred. The title is that of the first.
    pub fn stacked(pages: Vec<Page>) -> Page {
        let width = pages.iter().map(Page::width).max().unwrap_or(1);
        let height: usize = pages.iter().map(Page::height).sum();
        let mut all = Self::new(height.max(1), width);
        let mut top = 0;
        for (index, page) in pages.into_iter().enumerate() {
            if index == 0 {
                all.title = page.title;
            }
            let left = (width - page.width) / 2;
            for mut mark in page.marks {
                mark.shift(top, left);
                all.marks.push(mark);
            }
            top += page.height;
        }
        all
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Sets the title in SVG and PDF files.
    pub(crate) fn set_title(&mut self, title: String) {
        self.title = title;
    }

    /// Fills `area`.
    pub(crate) fn fill(&mut self, area: Area, colour: [u8; 3]) {
        self.marks.push(DrawOp::Fill { area, colour });
    }

    /// Draws a frame of `thickness` pixels just outside `area`.
    pub(crate) fn frame(&mut self, area: Area, thickness: usize, colour: [u8; 3]) {
        for side in canvas::sides(area, thickness) {
            self.fill(side, colour);
        }
    }

    /// Draws `picture` scaled to `area`: each pixel is the mean of the area that it covers.
    pub(crate) fn paste(&mut self, picture: Picture, area: Area) {
        self.marks.push(DrawOp::Picture { area, picture });
    }

    /// Draws a line through `points` (column, row; the centre of pixel 0 is 0.5), `thickness`
    /// pixels wide, with round ends and joints.
    pub(crate) fn polyline(&mut self, points: &[(f32, f32)], thickness: f32, colour: [u8; 3]) {
        self.marks.push(DrawOp::Stroke {
            points: points.to_vec(),
            thickness,
            colour,
        });
    }

    /// Draws a disc around `centre` (column, row).
    pub(crate) fn disc(&mut self, centre: (f32, f32), radius: f32, colour: [u8; 3]) {
        self.polyline(&[centre], 2.0 * radius, colour);
    }

    /// Writes `words` with `size` pixels per em and their `anchor` at column `x` and row `y`. The
    /// baseline is row `y`, or column `x` for vertical text.
    pub(crate) fn write(
        &mut self,
        words: &str,
        size: f32,
        (x, y): (usize, usize),
        anchor: Anchor,
        direction: Direction,
        colour: [u8; 3],
    ) {
        let line = Line::new(words, size);
        let shift = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => line.length / 2.0,
            Anchor::End => line.length,
        };
        // Text starts at a whole pixel, so that equal labels have equal pixels.
        let shift = shift.round() as i64;
        let (x, y) = (x as i64, y as i64);
        let at = match direction {
            Direction::Across => (x - shift, y),
            Direction::Upwards => (x, y + shift),
        };
        self.marks.push(DrawOp::Text {
            line,
            words: text::printable(words),
            at,
            direction,
            colour,
        });
    }

    /// The page as pixels.
    pub fn picture(&self) -> Picture {
        let mut picture = Picture::filled(self.height, self.width, [255; 3]);
        for mark in &self.marks {
            match mark {
                DrawOp::Fill { area, colour } => canvas::fill(&mut picture, *area, *colour),
                DrawOp::Picture {
                    area,
                    picture: small,
                } => {
                    let drawn = resampled(small, area.height, area.width);
                    canvas::paste(&mut picture, &drawn, area.top, area.left);
                }
                DrawOp::Stroke {
                    points,
                    thickness,
                    colour,
                } => stroke::polyline(&mut picture, points, *thickness, *colour),
                DrawOp::Text {
                    line,
                    at,
                    direction,
                    colour,
                    ..
                } => text::paint(&mut picture, line, *at, *direction, *colour),
            }
        }
        picture
    }

    /// The page as an SVG file. Text is drawn as outlines, so that it looks the same everywhere;
    /// `aria-label` has the characters.
    pub fn svg(&self) -> String {
        svg::written(self)
    }

    /// The page as a PDF file of one page, with 144 pixels per inch. Text can be searched and copied.
    pub fn pdf(&self) -> Vec<u8> {
        pdf::written(self)
    }
}

/// The pixels to write for a picture that is scaled to `area`. If it is enlarged, pixels are
/// repeated: many viewers would interpolate, and a map would show values that were not computed.
fn embedded(picture: &Picture, area: Area) -> Cow<'_, Picture> {
    if picture.height() < area.height || picture.width() < area.width {
        Cow::Owned(resampled(picture, area.height, area.width))
    } else {
        Cow::Borrowed(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: [u8; 3] = [0; 3];

    fn written(words: &str, direction: Direction) -> Picture {
        let mut page = Page::new(60, 60);
        page.write(words, 20.0, (30, 30), Anchor::Middle, direction, BLACK);
        page.picture()
    }

    #[test]
    fn vertical_text_is_rotated_horizontal_text() {
        let (across, upwards) = (
            written("Ag1", Direction::Across),
            written("Ag1", Direction::Upwards),
        );
        for y in 0..60 {
            for x in 0..60 {
                assert_eq!(across.pixel(y, x), upwards.pixel(59 - x, y));
            }
        }
    }

    #[test]
    fn stacked_pages_keep_their_pixels() {
        let page = |height, width, colour| {
            let mut page = Page::new(height, width);
            let (top, left) = (1, 1);
            let area = Area {
                left,
                top,
                width: width - 1,
                height: height - 1,
            };
            page.fill(area, colour);
            page.disc((2.0, 2.0), 1.5, BLACK);
            page
        };
        let (above, below) = (page(4, 9, [200, 0, 0]), page(6, 5, [0, 0, 200]));
        let (first, second) = (above.picture(), below.picture());
        let all = Page::stacked(vec![above, below]).picture();
        assert_eq!((all.height(), all.width()), (10, 9));
        for (picture, top, left) in [(first, 0, 0), (second, 4, 2)] {
            for y in 0..picture.height() {
                for x in 0..picture.width() {
                    assert_eq!(all.pixel(top + y, left + x), picture.pixel(y, x));
                }
            }
        }
    }

    #[test]
    fn a_character_without_a_font_is_drawn_as_a_box() {
        let drawn = |words| written(words, Direction::Across);
        assert_eq!(drawn("\u{13000}"), drawn("\u{12000}"));
        assert_ne!(drawn("\u{13000}"), drawn(" "));
    }

    #[test]
    fn drawing_outside_the_page_is_clipped() {
        let mut page = Page::new(3, 3);
        for at in [(0, 0), (2, 2), (500, 1)] {
            page.write(
                "wide text",
                30.0,
                at,
                Anchor::Middle,
                Direction::Across,
                BLACK,
            );
        }
        let picture = page.picture();
        assert_eq!((picture.height(), picture.width()), (3, 3));
    }

    #[test]
    fn svg_and_pdf_have_the_size_and_the_text() {
        let mut page = Page::new(100, 200);
        page.set_title("a < b".into());
        page.write(
            "loss & more",
            20.0,
            (10, 50),
            Anchor::Start,
            Direction::Across,
            BLACK,
        );
        let svg = page.svg();
        assert!(svg.contains("viewBox=\"0 0 200 100\""), "{svg}");
        assert!(svg.contains("aria-label=\"loss &amp; more\""), "{svg}");
        assert!(svg.contains("<title>a &lt; b</title>"), "{svg}");
        let pdf = page.pdf();
        assert!(pdf.starts_with(b"%PDF-1.7"));
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.contains("/MediaBox [0 0 100 50]"), "{text}");
        assert!(!text.contains("CreationDate"), "{text}");
        assert_eq!(pdf, page.pdf());
    }
}
