//! Confusion matrices.

use crate::canvas::Area;
use crate::page::Page;
use crate::panel::{INK, LABEL, LINE, SOFT, TICK_GAP};
use crate::text::{self, Anchor, CAP_HEIGHT, Direction};

const WHITE: [u8; 3] = [255; 3];
const MARGIN: usize = 36;
const TITLE: f32 = 29.0;
const TITLE_ROOM: usize = 62;
const TITLE_BASELINE: usize = 25;
/// The side of a matrix, in pixels.
const SIDE: usize = 1080;
/// The largest side of a cell.
const LARGEST: usize = 104;
/// The minimum text size of names and numbers.
const SMALLEST: f32 = 9.0;
/// The maximum width of a name.
const NAME: f32 = 200.0;
const AXIS_GAP: usize = 16;
/// From the matrix to the colour bar, and the width of each of its two strips.
const BAR_GAP: usize = 36;
const STRIP: usize = 22;

/// The colours of correct and wrong predictions, from few to all pictures of a class.
const RIGHT: [[u8; 3]; 4] = [
    [255, 255, 255],
    [198, 219, 239],
    [66, 133, 190],
    [8, 48, 107],
];
const WRONG: [[u8; 3]; 4] = [
    [255, 255, 255],
    [253, 208, 162],
    [236, 112, 20],
    [127, 39, 4],
];

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
    cell: usize,
    /// Text size of names.
    size: f32,
    /// Every so many classes a name is written.
    step: usize,
    names: Vec<String>,
    /// Width of the longest name.
    longest: usize,
}

impl<'a> Matrix<'a> {
    fn new(classes: &[String], counts: &'a [Vec<u64>]) -> Self {
        let cell = (SIDE / classes.len().max(1)).clamp(1, LARGEST);
        let size = (cell as f32).clamp(SMALLEST, LABEL);
        let names: Vec<_> = classes
            .iter()
            .map(|name| text::fitted(name, size, NAME))
            .collect();
        let longest = names.iter().map(|name| text::length(name, size));
        Self {
            counts,
            cell,
            size,
            step: (SMALLEST as usize + 1).div_ceil(cell),
            longest: longest.fold(0.0, f32::max).ceil() as usize,
            names,
        }
    }

    fn page(&self, title: &str) -> Page {
        let side = (self.counts.len() * self.cell).max(1);
        let beside = AXIS_GAP + LABEL as usize + self.longest + TICK_GAP + LINE;
        let bar = BAR_GAP + 2 * STRIP + LINE + 76;
        let left = MARGIN + beside;
        let top = MARGIN + TITLE_ROOM;
        // A small matrix must leave enough space for the title and the bar, too.
        let width = (left + side + bar + MARGIN).max(560);
        let below = LINE + TICK_GAP + self.longest + AXIS_GAP + LABEL as usize;
        let mut page = Page::new(top + side.max(200) + below + MARGIN, width);
        let area = Area {
            left,
            top,
            width: side,
            height: side,
        };
        self.draw_cells(&mut page, area);
        self.draw_names(&mut page, area);
        draw_bar(&mut page, area.right() + BAR_GAP, top, side.clamp(200, 520));
        let words = text::fitted(title, TITLE, (width - 2 * MARGIN) as f32);
        let at = (width / 2, MARGIN + TITLE_BASELINE);
        let (anchor, direction) = (Anchor::Middle, Direction::Across);
        page.write(&words, TITLE, at, anchor, direction, INK);
        page
    }

    fn draw_cells(&self, page: &mut Page, area: Area) {
        let sizes = self.number_sizes();
        // Large cells are separated by a white line.
        let hair = usize::from(self.cell >= 24);
        for (i, row) in self.counts.iter().enumerate() {
            let total: u64 = row.iter().sum();
            for (j, &count) in row.iter().enumerate() {
                let cell = Area {
                    left: area.left + j * self.cell,
                    top: area.top + i * self.cell,
                    width: self.cell - hair,
                    height: self.cell - hair,
                };
                if count == 0 {
                    continue;
                }
                let share = count as f64 / total as f64;
                let colour = colour(share, i == j);
                page.fill(cell, colour);
                if let Some((large, small)) = sizes {
                    draw_numbers(page, cell, (count, share), (large, small), on(colour));
                }
            }
        }
        page.frame(area, LINE, INK);
    }

    /// The text sizes of counts and, if cells are large enough, of the percentages below them.
    fn number_sizes(&self) -> Option<(f32, Option<f32>)> {
        let most = self.counts.iter().flatten().max()?.to_string();
        let room = self.cell as f32 - 6.0;
        let fitting = |size: f32| size.min(size * room / text::length(&most, size));
        if self.cell >= 60 {
            let size = fitting(20.0);
            return (size >= SMALLEST).then_some((size, Some(15.0)));
        }
        let size = fitting(0.45 * self.cell as f32);
        (size >= SMALLEST).then_some((size, None))
    }

    fn draw_names(&self, page: &mut Page, area: Area) {
        let half = CAP_HEIGHT * self.size / 2.0;
        for (i, name) in self.names.iter().enumerate().step_by(self.step) {
            let middle = (i as f32 + 0.5) * self.cell as f32;
            let baseline = (area.top as f32 + middle + half).round() as usize;
            let at = (area.left - LINE - TICK_GAP, baseline);
            page.write(name, self.size, at, Anchor::End, Direction::Across, SOFT);
            let baseline = (area.left as f32 + middle + half).round() as usize;
            let at = (baseline, area.bottom() + LINE + TICK_GAP);
            // Vertical text ends at the matrix.
            page.write(name, self.size, at, Anchor::End, Direction::Upwards, SOFT);
        }
        let column = MARGIN + (LABEL * 0.8) as usize;
        let at = (column, area.top + area.height / 2);
        page.write(
            "true class",
            LABEL,
            at,
            Anchor::Middle,
            Direction::Upwards,
            INK,
        );
        let baseline = area.bottom() + LINE + TICK_GAP + self.longest + AXIS_GAP + LABEL as usize;
        let at = (area.left + area.width / 2, baseline);
        page.write(
            "predicted class",
            LABEL,
            at,
            Anchor::Middle,
            Direction::Across,
            INK,
        );
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
        let mark = Area {
            left: bar.right() + LINE,
            top: (y as usize).saturating_sub(LINE / 2),
            width: 6,
            height: LINE,
        };
        page.fill(mark, INK);
        let baseline = (y as f32 + CAP_HEIGHT * LABEL / 2.0).round() as usize;
        let at = (mark.right() + TICK_GAP, baseline);
        let (anchor, direction) = (Anchor::Start, Direction::Across);
        page.write(label, LABEL, at, anchor, direction, SOFT);
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
    let place = share.clamp(0.0, 1.0).sqrt() as f32 * 3.0;
    let first = (place as usize).min(2);
    let t = place - first as f32;
    std::array::from_fn(|c| {
        let (a, b) = (f32::from(stops[first][c]), f32::from(stops[first + 1][c]));
        (a + (b - a) * t).round() as u8
    })
}

/// The text colour on `colour`.
pub(crate) fn on(colour: [u8; 3]) -> [u8; 3] {
    let [red, green, blue] = colour.map(u32::from);
    if 299 * red + 587 * green + 114 * blue < 150_000 {
        WHITE
    } else {
        INK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("class {i}")).collect()
    }

    #[test]
    fn rows_are_true_and_columns_predicted_classes() {
        let counts = vec![vec![0, 1], vec![0, 1]];
        let matrix = Matrix::new(&named(2), &counts);
        let mut page = Page::new(300, 300);
        let area = Area {
            left: 10,
            top: 10,
            width: 208,
            height: 208,
        };
        matrix.draw_cells(&mut page, area);
        let page = page.picture();
        let corner = |row: usize, column: usize| page.pixel(13 + 104 * row, 13 + 104 * column);
        assert_eq!(
            corner(0, 1),
            WRONG[3],
            "a picture of class 0 predicted as class 1"
        );
        assert_eq!(corner(1, 1), RIGHT[3]);
        assert_eq!([corner(0, 0), corner(1, 0)], [WHITE; 2]);
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
