//! Labelled matrices: coloured cells with numbers.

use crate::canvas::Area;
use crate::colour_bar::ColourBar;
use crate::confusion_matrix::on;
use crate::page::Page;
use crate::panel::{INK, LABEL, LINE, SOFT, TICK_GAP};
use crate::text::{self, Anchor, CAP_HEIGHT, Direction};
use crate::{ColourMap, Scale};

const MARGIN: usize = 36;
const GAP: usize = 56;
const TITLE: f32 = 23.0;
const TITLE_GAP: usize = 16;
/// The side of a matrix, in pixels.
const SIDE: usize = 640;
/// The largest and the smallest side of a cell.
const CELLS: (usize, usize) = (64, 16);
/// The minimum text size of numbers.
const SMALLEST: f32 = 9.0;
/// The maximum width of a name.
const NAME: f32 = 240.0;
/// The colour of an empty cell.
const NONE: [u8; 3] = [214, 214, 214];

/// A matrix of numbers for pairs of names, such as correlations.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledMatrix {
    /// The title.
    pub title: String,
    /// The label of the colour bar.
    pub quantity: String,
    /// The names of rows and columns.
    pub names: Vec<String>,
    /// A row of numbers for each name; empty cells are grey.
    pub values: Vec<Vec<Option<f64>>>,
    /// The values at the ends of the colour bar.
    pub range: (f64, f64),
    /// The colour map.
    pub colours: ColourMap,
}

/// Matrices side by side.
///
/// # Panics
/// If the values are not a square matrix of the size of `names`, or the range is empty.
///
/// ```
/// use dvm_render::{ColourMap, LabelledMatrix, labelled_matrices};
///
/// let matrix = LabelledMatrix {
///     title: "agreement".into(),
///     quantity: "rank correlation".into(),
///     names: vec!["gradient".into(), "grad-cam".into()],
///     values: vec![vec![Some(1.0), Some(0.2)], vec![Some(0.2), Some(1.0)]],
///     range: (-1.0, 1.0),
///     colours: ColourMap::RdBu,
/// };
/// assert!(labelled_matrices(&[matrix]).height() > 128);
/// ```
pub fn labelled_matrices(matrices: &[LabelledMatrix]) -> Page {
    let laid: Vec<MatrixLayout> = matrices.iter().map(MatrixLayout::new).collect();
    let width: usize = laid.iter().map(|matrix| matrix.width() + GAP).sum();
    let height = laid.iter().map(MatrixLayout::height).max().unwrap_or(0);
    let mut page = Page::new(height + 2 * MARGIN, width.saturating_sub(GAP) + 2 * MARGIN);
    let mut left = MARGIN;
    for matrix in &laid {
        matrix.draw(&mut page, MARGIN, left);
        left += matrix.width() + GAP;
    }
    page
}

struct MatrixLayout<'a> {
    matrix: &'a LabelledMatrix,
    scale: Scale,
    cell: usize,
    /// Text size of names.
    size: f32,
    names: Vec<String>,
    /// Width of the longest name.
    longest: usize,
}

impl<'a> MatrixLayout<'a> {
    fn new(matrix: &'a LabelledMatrix) -> Self {
        let count = matrix.names.len();
        assert_eq!(matrix.values.len(), count, "a row for each name");
        for row in &matrix.values {
            assert_eq!(row.len(), count, "a column for each name");
        }
        let (low, high) = matrix.range;
        assert!(low < high, "the range is empty");
        let cell = (SIDE / count.max(1)).clamp(CELLS.1, CELLS.0);
        let size = (cell as f32).clamp(SMALLEST, LABEL);
        let names: Vec<String> = matrix
            .names
            .iter()
            .map(|name| text::fitted(name, size, NAME))
            .collect();
        let longest = names.iter().map(|name| text::length(name, size));
        Self {
            matrix,
            scale: Scale::between(low as f32, high as f32, &[], matrix.colours),
            cell,
            size,
            longest: longest.fold(0.0, f32::max).ceil() as usize,
            names,
        }
    }

    fn side(&self) -> usize {
        (self.names.len() * self.cell).max(1)
    }

    fn bar(&self) -> ColourBar<'_> {
        ColourBar::new(
            &self.scale,
            Some(&self.matrix.quantity),
            self.side().max(160),
        )
    }

    fn width(&self) -> usize {
        let title = text::length(&self.matrix.title, TITLE).ceil() as usize;
        let drawn = self.longest + TICK_GAP + LINE + self.side() + self.bar().width();
        drawn.max(title.min(SIDE))
    }

    fn height(&self) -> usize {
        let above = TITLE as usize + TITLE_GAP;
        above + self.side().max(160) + LINE + TICK_GAP + self.longest
    }

    fn draw(&self, page: &mut Page, top: usize, left: usize) {
        let area = Area {
            left: left + self.longest + TICK_GAP + LINE,
            top: top + TITLE as usize + TITLE_GAP,
            width: self.side(),
            height: self.side(),
        };
        // Centred above the matrix, if it fits.
        let title = text::fitted(&self.matrix.title, TITLE, self.width() as f32);
        let half = (text::length(&title, TITLE) / 2.0).ceil() as usize;
        let middle = (area.left + area.width / 2)
            .clamp(left + half, left + self.width().max(2 * half) - half);
        let at = (middle, area.top - TITLE_GAP);
        let (anchor, direction) = (Anchor::Middle, Direction::Across);
        page.write(&title, TITLE, at, anchor, direction, INK);
        self.draw_cells(page, area);
        self.draw_names(page, area);
        self.bar().draw(page, area.top, area.right());
    }

    fn draw_cells(&self, page: &mut Page, area: Area) {
        // Large cells are separated by a white line.
        let hair = usize::from(self.cell >= 24);
        let widest = text::length("−0.00", LABEL) / LABEL;
        let size = (0.9 * self.cell as f32 / widest).min(LABEL);
        for (i, row) in self.matrix.values.iter().enumerate() {
            for (j, &value) in row.iter().enumerate() {
                let cell = Area {
                    left: area.left + j * self.cell,
                    top: area.top + i * self.cell,
                    width: self.cell - hair,
                    height: self.cell - hair,
                };
                let Some(value) = value.filter(|value| value.is_finite()) else {
                    page.fill(cell, NONE);
                    continue;
                };
                let colour = self.scale.colour(value as f32);
                page.fill(cell, colour);
                if size >= SMALLEST {
                    let middle = (cell.top + cell.height / 2) as f32;
                    let baseline = (middle + CAP_HEIGHT * size / 2.0).round() as usize;
                    let at = (cell.left + cell.width / 2, baseline);
                    let (anchor, direction) = (Anchor::Middle, Direction::Across);
                    page.write(&written(value), size, at, anchor, direction, on(colour));
                }
            }
        }
        page.frame(area, LINE, INK);
    }

    fn draw_names(&self, page: &mut Page, area: Area) {
        let half = CAP_HEIGHT * self.size / 2.0;
        for (i, name) in self.names.iter().enumerate() {
            let middle = (i as f32 + 0.5) * self.cell as f32;
            let baseline = (area.top as f32 + middle + half).round() as usize;
            let at = (area.left - LINE - TICK_GAP, baseline);
            page.write(name, self.size, at, Anchor::End, Direction::Across, SOFT);
            let baseline = (area.left as f32 + middle + half).round() as usize;
            let at = (baseline, area.bottom() + LINE + TICK_GAP);
            // Vertical text ends at the matrix.
            page.write(name, self.size, at, Anchor::End, Direction::Upwards, SOFT);
        }
    }
}

/// A number with two decimals, without a minus sign for zero.
fn written(value: f64) -> String {
    let digits = format!("{:.2}", value.abs());
    if value < 0.0 && digits != "0.00" {
        format!("−{digits}")
    } else {
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(values: Vec<Vec<Option<f64>>>) -> LabelledMatrix {
        LabelledMatrix {
            title: "agreement".into(),
            quantity: "rank correlation".into(),
            names: (0..values.len()).map(|i| format!("method {i}")).collect(),
            values,
            range: (-1.0, 1.0),
            colours: ColourMap::RdBu,
        }
    }

    #[test]
    fn rows_and_columns_keep_their_order() {
        let matrix = matrix(vec![vec![Some(1.0), Some(-1.0)], vec![None, Some(0.0)]]);
        let laid = MatrixLayout::new(&matrix);
        let mut page = Page::new(200, 200);
        let area = Area {
            left: 10,
            top: 10,
            width: 128,
            height: 128,
        };
        laid.draw_cells(&mut page, area);
        let page = page.picture();
        let corner = |row: usize, column: usize| page.pixel(12 + 64 * row, 12 + 64 * column);
        assert_eq!(corner(0, 0), ColourMap::RdBu.at(1.0));
        assert_eq!(corner(0, 1), ColourMap::RdBu.at(0.0));
        assert_eq!(corner(1, 0), NONE);
        assert_eq!(corner(1, 1), ColourMap::RdBu.at(0.5));
    }

    #[test]
    fn numbers_have_two_decimals() {
        let numbers = [0.314_9, -0.2, -0.001, 1.0].map(written);
        assert_eq!(numbers, ["0.31", "−0.20", "0.00", "1.00"]);
    }

    #[test]
    fn matrices_of_every_size_are_drawn() {
        for count in [0, 1, 2, 34] {
            let page = labelled_matrices(&[matrix(vec![vec![Some(f64::NAN); count]; count])]);
            assert!(page.picture().width() < 1600, "{count}");
        }
        assert!(labelled_matrices(&[]).height() > 0);
    }

    #[test]
    #[should_panic(expected = "a column for each name")]
    fn a_matrix_that_is_not_square_panics() {
        labelled_matrices(&[matrix(vec![vec![None], vec![None]])]);
    }
}
