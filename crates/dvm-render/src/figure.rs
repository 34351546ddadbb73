//! Figures: panels side by side.

use crate::Panel;
use crate::page::Page;
use crate::panel::PanelLayout;
use crate::style::{HEADING, HEADING_BASELINE, HEADING_ROOM, INK, LABEL, MARGIN, SOFT, TITLE_ROOM};
use crate::text::{self, Anchor, Direction};

/// Space between panels.
const GAP: usize = 48;
/// Distance between baselines in the heading, and in the lines below it.
const HEADING_LINE: usize = 38;
const ORIGIN_LINE: usize = 27;
/// Maximum lines of a title.
const TITLE_LINES: usize = 2;
/// Between the parts of a heading.
const DOT: &str = "  ·  ";

const PANELS_PER_ROW: usize = 4;
/// Maximum width of a row.
const PAGE: usize = 3200;
/// Small pictures are enlarged to at least this height.
const LOWEST: usize = 400;
/// Large pictures are reduced to at most this height.
const HIGHEST: usize = 800;

/// The heading of a figure. Title and facts are on one line if they fit. Otherwise the title has up
/// to two lines, shortened if necessary, and the facts are below it.
#[derive(Clone, Debug, Default)]
pub struct Heading {
    /// The title, such as a class name.
    pub title: String,
    /// Short facts, such as a probability.
    pub facts: Vec<String>,
    /// The origin, in smaller letters: pairs of a name, such as `file`, and a value.
    pub origin: Vec<(String, String)>,
}

impl From<&str> for Heading {
    fn from(title: &str) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }
}

impl Heading {
    /// The lines in large and in small letters for a width of `room` pixels.
    fn lines(&self, room: f32) -> (Vec<String>, Vec<String>) {
        let title = text::printable(&self.title);
        let title = title.trim();
        let facts: Vec<String> = self
            .facts
            .iter()
            .map(|fact| text::printable(fact))
            .collect();
        let facts = facts.join(DOT);
        let one = match (title.is_empty(), facts.is_empty()) {
            (_, true) => title.to_owned(),
            (true, false) => facts.clone(),
            (false, false) => format!("{}{DOT}{facts}", text::isolated(title)),
        };
        let large = if one.is_empty() {
            Vec::new()
        } else if text::length(&one, HEADING) <= room {
            vec![one]
        } else {
            let mut lines = text::wrapped(title, HEADING, room, TITLE_LINES);
            lines.extend(text::wrapped(&facts, HEADING, room, TITLE_LINES));
            lines
        };
        (large, self.origin_lines(room))
    }

    fn origin_lines(&self, room: f32) -> Vec<String> {
        let part = |name: &str, value: &str| format!("{name}: {}", text::isolated(value));
        let values = self.origin.iter();
        let values = values.map(|(name, value)| (name, text::printable(value)));
        let all: Vec<String> = values
            .clone()
            .map(|(name, value)| part(name, &value))
            .collect();
        let one = all.join(DOT);
        if text::length(&one, LABEL) <= room {
            return if one.is_empty() {
                Vec::new()
            } else {
                vec![one]
            };
        }
        values
            .map(|(name, value)| {
                let room = room - text::length(&format!("{name}: "), LABEL);
                part(name, &text::fitted(&value, LABEL, room))
            })
            .collect()
    }
}

/// A figure of `panels` in reading order, with an optional `heading`. All pictures have the same
/// height: a multiple of the tallest picture's height, from 400 to 800 (448 for 224). Proportions
/// are kept; a picture that would be wider than 1200 is drawn smaller. A row has at most four
/// panels, or fewer if they are wide.
pub fn figure(heading: Option<Heading>, panels: &[Panel]) -> Page {
    let tallest = panels.iter().map(|panel| panel.picture.height()).max();
    let height = drawn_height(tallest.unwrap_or(1));
    let panels: Vec<_> = panels
        .iter()
        .map(|panel| PanelLayout::new(panel, height))
        .collect();
    let table = Table::new(&panels);

    let width = table.width() + 2 * MARGIN;
    let heading = heading.unwrap_or_default();
    let (large, small) = heading.lines((width - 2 * MARGIN) as f32);
    let above = match (large.len(), small.len()) {
        (0, 0) => 0,
        (large, small) => {
            HEADING_ROOM + HEADING_LINE * large.saturating_sub(1) + ORIGIN_LINE * small
        }
    };
    let top = MARGIN + above;

    let mut page = Page::new(top + table.height() + MARGIN, width);
    page.set_title(text::printable(&heading.title));
    let mut write = |words: &str, size: f32, baseline: usize, colour: [u8; 3]| {
        let at = (width / 2, baseline);
        page.write(words, size, at, Anchor::Middle, Direction::Across, colour);
    };
    let mut baseline = MARGIN + HEADING_BASELINE;
    for line in &large {
        write(line, HEADING, baseline, INK);
        baseline += HEADING_LINE;
    }
    baseline -= HEADING_LINE - ORIGIN_LINE;
    for line in &small {
        write(line, LABEL, baseline, SOFT);
        baseline += ORIGIN_LINE;
    }
    table.draw(&mut page, top, MARGIN);
    page
}

/// A figure with a single panel.
pub fn with_bar(panel: &Panel) -> Page {
    figure(None, std::slice::from_ref(panel))
}

/// The drawn height of pictures with `rows` pixels: a multiple, or an integer fraction.
fn drawn_height(rows: usize) -> usize {
    if rows <= HIGHEST {
        rows * LOWEST.div_ceil(rows)
    } else {
        rows / rows.div_ceil(HIGHEST)
    }
}

/// Panels in rows and columns; the pictures of a column are aligned.
struct Table<'a> {
    rows: Vec<&'a [PanelLayout<'a>]>,
    columns: Vec<Column>,
}

/// The widths of a column: left of the pictures, the pictures, right of them.
#[derive(Clone, Copy, Default)]
struct Column {
    left: usize,
    centre: usize,
    right: usize,
}

impl Column {
    fn width(self) -> usize {
        self.left + self.centre + self.right
    }
}

impl<'a> Table<'a> {
    /// The smallest number of rows that fits the page, evenly filled.
    fn new(panels: &'a [PanelLayout<'a>]) -> Self {
        let mut row_count = panels.len().div_ceil(PANELS_PER_ROW).max(1);
        loop {
            let per_row = panels.len().div_ceil(row_count).max(1);
            let table = Self::with(panels, per_row);
            if per_row == 1 || table.width() + 2 * MARGIN <= PAGE {
                return table;
            }
            row_count += 1;
        }
    }

    fn with(panels: &'a [PanelLayout<'a>], per_row: usize) -> Self {
        let rows: Vec<_> = panels.chunks(per_row).collect();
        let mut columns = vec![Column::default(); per_row.min(panels.len())];
        for row in &rows {
            for (column, panel) in columns.iter_mut().zip(*row) {
                // A title that is wider than its picture may extend over the axis labels.
                let beside = (panel.centre() - panel.width) / 2;
                column.left = column.left.max(panel.left.saturating_sub(beside));
                column.centre = column.centre.max(panel.centre());
                column.right = column.right.max(panel.right.saturating_sub(beside));
            }
        }
        Self { rows, columns }
    }

    fn width(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| column.width()).sum();
        columns + GAP * self.columns.len().saturating_sub(1)
    }

    fn height(&self) -> usize {
        let rows: usize = self.rows.iter().map(|row| row_height(row)).sum();
        rows + GAP * self.rows.len().saturating_sub(1)
    }

    fn draw(&self, page: &mut Page, mut top: usize, left: usize) {
        for row in &self.rows {
            let mut x = left;
            for (column, panel) in self.columns.iter().zip(*row) {
                let indent = (column.centre - panel.width) / 2;
                panel.draw(page, top + above(row), x + column.left + indent);
                x += column.width() + GAP;
            }
            top += row_height(row) + GAP;
        }
    }
}

fn above(row: &[PanelLayout]) -> usize {
    if row.iter().any(PanelLayout::has_title) {
        TITLE_ROOM
    } else {
        0
    }
}

fn row_height(row: &[PanelLayout]) -> usize {
    let tallest = row.iter().map(|panel| panel.height + panel.below()).max();
    above(row) + tallest.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use dvm_image::Picture;

    use super::*;

    const WHITE: [u8; 3] = [255; 3];

    fn panel(height: usize, width: usize) -> Panel {
        Panel::new("title", Picture::filled(height, width, [200, 30, 30]))
    }

    #[test]
    fn pictures_are_drawn_at_whole_factors() {
        for (rows, drawn) in [
            (1, 400),
            (7, 406),
            (32, 416),
            (224, 448),
            (299, 598),
            (384, 768),
            (512, 512),
            (1024, 512),
            (1600, 800),
            (1601, 533),
        ] {
            assert_eq!(drawn_height(rows), drawn, "{rows} rows");
        }
    }

    #[test]
    fn panels_wrap_into_even_rows() {
        for (count, rows) in [
            (1, vec![1]),
            (4, vec![4]),
            (5, vec![3, 2]),
            (7, vec![4, 3]),
            (9, vec![3, 3, 3]),
        ] {
            let panels = vec![panel(20, 20); count];
            let panels: Vec<_> = panels.iter().map(|p| PanelLayout::new(p, 400)).collect();
            let lengths: Vec<_> = Table::new(&panels).rows.iter().map(|r| r.len()).collect();
            assert_eq!(lengths, rows);
        }
    }

    #[test]
    fn wide_panels_use_more_rows_instead_of_a_wider_page() {
        let drawn = figure(None, &vec![panel(100, 1000); 4]);
        assert!(drawn.width() <= PAGE, "{}", drawn.width());
    }

    #[test]
    fn a_long_title_does_not_shorten_the_facts() {
        let facts = vec!["95.1 %".to_owned(), "efficientnet_lite0".to_owned()];
        for title in [
            "a name of many words ".repeat(40),
            "Donaudampfschiff".repeat(40),
            "猫".repeat(99),
        ] {
            let heading = Heading {
                title,
                facts: facts.clone(),
                origin: Vec::new(),
            };
            let (large, _) = heading.lines(560.0);
            assert!(large.len() <= TITLE_LINES + 1, "{large:?}");
            assert!(
                large
                    .iter()
                    .all(|line| text::length(line, HEADING) <= 560.0),
                "{large:?}"
            );
            assert!(large[large.len() - 2].ends_with('…'), "{large:?}");
            assert_eq!(large[large.len() - 1], "95.1 %  ·  efficientnet_lite0");
        }
    }

    #[test]
    fn a_short_title_and_its_facts_are_on_one_line() {
        let heading = Heading {
            title: "قطة".into(),
            facts: vec!["95.1 %".into()],
            origin: vec![
                ("file".into(), "a.png".into()),
                ("true class".into(), "tabby".into()),
            ],
        };
        let (large, small) = heading.lines(900.0);
        // The right-to-left name is isolated, so that the probability follows it.
        assert_eq!(large, ["\u{2068}قطة\u{2069}  ·  95.1 %"]);
        assert_eq!(
            small,
            ["file: \u{2068}a.png\u{2069}  ·  true class: \u{2068}tabby\u{2069}"]
        );
        assert_eq!(heading.lines(130.0).1.len(), 2);
    }

    #[test]
    fn extreme_proportions_and_counts_are_drawn() {
        for panels in [
            vec![],
            vec![panel(1, 1)],
            vec![panel(1, 3000), panel(3000, 1)],
            vec![panel(2, 2); 30],
        ] {
            let drawn = figure(Some("heading".into()), &panels).picture();
            assert!(drawn.width() < 4000 && drawn.height() < 6000, "{drawn:?}");
        }
    }

    #[test]
    fn axes_of_zero_pixels_are_drawn_as_one() {
        let mut empty = panel(5, 5);
        empty.pixel_axes = (0, 0);
        assert!(with_bar(&empty).width() > 400);
    }

    #[test]
    fn the_figure_has_a_white_margin() {
        let mut bar = panel(50, 80);
        bar.title = "a title that is far too long for the picture below it ".repeat(9);
        bar.note = Some("a long note ".repeat(99));
        bar.bar = Some(crate::Scale::range(
            &[-1e-30, 1e-31],
            crate::ColourMap::Viridis,
        ));
        bar.bar_label = Some("a long label ".repeat(99));
        let heading = Heading {
            title: "a long heading ".repeat(99),
            facts: vec!["a long fact".repeat(99); 2],
            origin: vec![
                ("file".into(), "long".repeat(99)),
                ("true class".into(), "x".into()),
            ],
        };
        let drawn = figure(Some(heading), &[bar.clone(), bar]).picture();
        for y in 0..drawn.height() {
            for x in 0..drawn.width() {
                let inside = (MARGIN - 8..drawn.height() - MARGIN + 8).contains(&y)
                    && (MARGIN - 8..drawn.width() - MARGIN + 8).contains(&x);
                assert!(inside || drawn.pixel(y, x) == WHITE, "row {y}, column {x}");
            }
        }
    }

    #[test]
    fn no_pixel_of_a_picture_is_covered() {
        let drawn = with_bar(&panel(224, 224)).picture();
        let red = drawn.rgb().chunks_exact(3).filter(|p| p == &[200, 30, 30]);
        assert_eq!(red.count(), 448 * 448);
    }
}
