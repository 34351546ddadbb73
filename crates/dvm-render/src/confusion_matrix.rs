//! Confusion matrices.

use crate::canvas::Area;
use crate::colour_map::between;
use crate::page::Page;
use crate::square_matrix::{SMALLEST, SquareMatrix, ink_on};
use crate::style::{
    HEADING, HEADING_BASELINE, HEADING_ROOM, INK, LABEL, LINE, MARGIN, SOFT, TICK_GAP,
};
use crate::text::{self, Anchor, CAP_HEIGHT, Direction};

/// The side of a matrix, in pixels.
const SIDE: usize = 1080;
/// The largest side of a cell.
const LARGEST: usize = 104;
/// The maximum width of a name.
const NAME: f32 = 200.0;
const AXIS_GAP: usize = 16;
/// From the matrix to the colour bar, and the width of each of its two strips.
const BAR_GAP: usize = 36;
const STRIP: usize = 22;

/// The colours of correct and wrong predictions, from few to all pictures of a class.
const RIGHT: [u32; 4] = [0xffffff, 0xc6dbef, 0x4285be, 0x08306b];
const WRONG: [u32; 4] = [0xffffff, 0xfdd0a2, 0xec7014, 0x7f2704];

/// A confusion matrix with coloured cells: a row for each true class, a column for each predicted
/// class. `counts[i][j]` is the number of pictures of class i that were predicted as class j.
/// Colours follow the square root of the share of the row, so one mistake in a hundred is visible:
/// blue for correct, orange for wrong predictions. Numbers are written if they fit. With more than
/// about a hundred classes, only every n-th name is written.
///
/// # Panics
/// If `counts` is not a square matrix of the size of `classes`.
pub fn confusion_matrix(title: &str, classes: &[String], counts: &[Vec<u64>]) -> Page {
    assert_eq!(counts.len(), classes.len(), "a row for each class");
    for row in counts {
        assert_eq!(row.len(), classes.len(), "a column for each class");
    }
    Matrix::new(classes, counts).page(title)
}

struct Matrix<'a> {
    counts: &'a [Vec<u64>],
    layout: SquareMatrix,
}

impl<'a> Matrix<'a> {
    fn new(classes: &[String], counts: &'a [Vec<u64>]) -> Self {
        let cell = (SIDE / classes.len().max(1)).clamp(1, LARGEST);
        let layout = SquareMatrix::new(classes, cell, NAME);
        Self { counts, layout }
    }

    fn page(&self, title: &str) -> Page {
        let (side, longest) = (self.layout.side(), self.layout.longest);
        let beside = AXIS_GAP + LABEL as usize + longest + TICK_GAP + LINE;
        let bar = BAR_GAP + 2 * STRIP + LINE + 76;
        let left = MARGIN + beside;
        let top = MARGIN + HEADING_ROOM;
        // A small matrix must leave enough space for the title and the bar, too.
        let width = (left + side + bar + MARGIN).max(560);
        let below = LINE + TICK_GAP + longest + AXIS_GAP + LABEL as usize;
        let mut page = Page::new(top + side.max(200) + below + MARGIN, width);
        let area = self.layout.area(top, left);
        self.draw_cells(&mut page, area);
        self.draw_names(&mut page, area);
        draw_bar(&mut page, area.right() + BAR_GAP, top, side.clamp(200, 520));
        let at = (width / 2, MARGIN + HEADING_BASELINE);
        page.title(title, HEADING, at, width - 2 * MARGIN);
        page
    }

    fn draw_cells(&self, page: &mut Page, area: Area) {
        let sizes = self.number_sizes();
        for (i, row) in self.counts.iter().enumerate() {
            let total: u64 = row.iter().sum();
            for (j, &count) in row.iter().enumerate() {
                let cell = self.layout.cell(area, i, j);
                if count == 0 {
                    continue;
                }
                let share = count as f64 / total as f64;
                let colour = colour(share, i == j);
                page.fill(cell, colour);
                if let Some((large, small)) = sizes {
                    draw_numbers(page, cell, (count, share), (large, small), ink_on(colour));
                }
            }
        }
        page.frame(area, LINE, INK);
    }

    /// The text sizes of counts and, if cells are large enough, of the percentages below them.
    fn number_sizes(&self) -> Option<(f32, Option<f32>)> {
        let most = self.counts.iter().flatten().max()?.to_string();
        let cell = self.layout.cell;
        let room = cell as f32 - 6.0;
        let fitting = |size: f32| size.min(size * room / text::length(&most, size));
        if cell >= 60 {
            let size = fitting(20.0);
            return (size >= SMALLEST).then_some((size, Some(15.0)));
        }
        let size = fitting(0.45 * cell as f32);
        (size >= SMALLEST).then_some((size, None))
    }

    fn draw_names(&self, page: &mut Page, area: Area) {
        let smallest = SMALLEST as usize + 1;
        let step = smallest.div_ceil(self.layout.cell);
        self.layout.draw_names(page, area, step);
        let column = MARGIN + (LABEL * 0.8) as usize;
        let at = (column, area.top + area.height / 2);
        let (anchor, upwards) = (Anchor::Middle, Direction::Upwards);
        page.write("true class", LABEL, at, anchor, upwards, INK);
        let names = LINE + TICK_GAP + self.layout.longest;
        let baseline = area.bottom() + names + AXIS_GAP + LABEL as usize;
        let at = (area.left + area.width / 2, baseline);
        let across = Direction::Across;
        page.write("predicted class", LABEL, at, anchor, across, INK);
    }
}

/// The count of a cell, and below it the percentage of its row.
fn draw_numbers(
    page: &mut Page,
    cell: Area,
    (count, share): (u64, f64),
    (large, small): (f32, Option<f32>),
    ink: [u8; 3],
) {
    let middle = (cell.left + cell.width / 2, cell.top + cell.height / 2);
    let mut write = |words: &str, size: f32, row: f32| {
        let at = (middle.0, row.round() as usize);
        page.write(words, size, at, Anchor::Middle, Direction::Across, ink);
    };
    let cap = CAP_HEIGHT * large;
    let centre = middle.1 as f32;
    match small {
        None => write(&count.to_string(), large, centre + cap / 2.0),
        Some(small) => {
            write(&count.to_string(), large, centre - 2.0);
            write(&percent(share), small, centre + 8.0 + CAP_HEIGHT * small);
        }
    }
}

/// A share in whole percent. Only exactly nothing is 0 %, and only exactly all is 100 %.
fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p > 0.0 && p < 1.0 => "< 1 %".into(),
        p if p > 99.0 && p < 100.0 => "> 99 %".into(),
        p => format!("{p:.0} %"),
    }
}

/// The colour bar: two strips, for correct and wrong predictions.
fn draw_bar(page: &mut Page, left: usize, top: usize, height: usize) {
    for y in 0..height {
        let root = 1.0 - (y as f64 + 0.5) / height as f64;
        for (strip, right) in [true, false].into_iter().enumerate() {
            let line = Area {
                left: left + strip * STRIP,
                top: top + y,
                width: STRIP,
                height: 1,
            };
            page.fill(line, colour(root * root, right));
        }
    }
    let bar = Area {
        left,
        top,
        width: 2 * STRIP,
        height,
    };
    page.frame(bar, LINE, INK);
    for (share, label) in [
        (0.0, "0"),
        (0.01, "1 %"),
        (0.1, "10 %"),
        (0.3, "30 %"),
        (1.0, "100 %"),
    ] {
        let y = (bar.bottom() as f64 - f64::sqrt(share) * height as f64).round();
        page.tick_right(bar.right() + LINE, 6, y as f32, label);
    }
    for (strip, words) in ["right", "wrong"].into_iter().enumerate() {
        let column = left + strip * STRIP + STRIP / 2 + (CAP_HEIGHT * LABEL / 2.0) as usize;
        let at = (column, bar.bottom() + LINE + TICK_GAP);
        let (anchor, direction) = (Anchor::End, Direction::Upwards);
        page.write(words, LABEL, at, anchor, direction, SOFT);
    }
}

/// The colour of a share of a row.
fn colour(share: f64, right: bool) -> [u8; 3] {
    let stops = if right { &RIGHT } else { &WRONG };
    between(stops, share.clamp(0.0, 1.0).sqrt() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour_map::rgb;

    fn named(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("class {i}")).collect()
    }

    #[test]
    fn rows_are_true_and_columns_predicted_classes() {
        let counts = vec![vec![0, 1], vec![0, 1]];
        let matrix = Matrix::new(&named(2), &counts);
        let mut page = Page::new(300, 300);
        let area = matrix.layout.area(10, 10);
        matrix.draw_cells(&mut page, area);
        let page = page.picture();
        let corner = |row: usize, column: usize| page.pixel(13 + 104 * row, 13 + 104 * column);
        assert_eq!(
            corner(0, 1),
            rgb(WRONG[3]),
            "a picture of class 0 predicted as class 1"
        );
        assert_eq!(corner(1, 1), rgb(RIGHT[3]));
        assert_eq!([corner(0, 0), corner(1, 0)], [[255; 3]; 2]);
    }

    #[test]
    fn numbers_are_written_if_they_are_large_enough_to_read() {
        let sizes = |classes: usize, most: u64| {
            let counts = vec![vec![most; classes]; classes];
            let names = named(classes);
            Matrix::new(&names, &counts).number_sizes()
        };
        assert_eq!(sizes(5, 1000), Some((20.0, Some(15.0))));
        assert!(sizes(5, u64::MAX / 10).is_none(), "wider than a cell");
        let (size, share) = sizes(40, 99).unwrap();
        assert!((9.0..18.0).contains(&size) && share.is_none());
        assert!(sizes(100, 9).is_none());
    }

    #[test]
    fn matrices_of_every_size_are_drawn() {
        for count in [0, 1, 2, 30, 120, 1500] {
            let drawn =
                confusion_matrix("no pictures", &named(count), &vec![vec![0; count]; count]);
            assert!(drawn.width() < 2000 && drawn.height() < 2000, "{count}");
        }
    }

    #[test]
    fn shares_are_not_rounded_to_0_or_100_percent() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.001), "< 1 %");
        assert_eq!(percent(0.995), "> 99 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.756), "76 %");
    }

    #[test]
    #[should_panic(expected = "a column for each class")]
    fn a_matrix_that_is_not_square_panics() {
        confusion_matrix("", &named(2), &[vec![1, 2], vec![3]]);
    }
}
