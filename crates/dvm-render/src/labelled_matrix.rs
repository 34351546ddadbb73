//! Labelled matrices: coloured cells with numbers.

use crate::canvas::Area;
use crate::colour_bar::ColourBar;
use crate::page::Page;
use crate::square_matrix::{SMALLEST, SquareMatrix, ink_on};
use crate::style::{INK, LABEL, LINE, MARGIN, TICK_GAP, TITLE, TITLE_GAP, TITLE_ROOM};
use crate::text::{self, Anchor, CAP_HEIGHT, Direction};
use crate::ticks::fixed;
use crate::{ColourMap, Scale};

const GAP: usize = 56;
/// The side of a matrix, in pixels.
const SIDE: usize = 640;
/// The smallest and the largest side of a cell.
const CELLS: (usize, usize) = (16, 64);
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
    layout: SquareMatrix,
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
        let cell = (SIDE / count.max(1)).clamp(CELLS.0, CELLS.1);
        Self {
            matrix,
            scale: Scale::between(low as f32, high as f32, &[], matrix.colours),
            layout: SquareMatrix::new(&matrix.names, cell, NAME),
        }
    }

    /// Height of the colour bar.
    fn bar_height(&self) -> usize {
        self.layout.side().max(160)
    }

    fn bar(&self) -> ColourBar<'_> {
        ColourBar::new(&self.scale, Some(&self.matrix.quantity), self.bar_height())
    }

    fn width(&self) -> usize {
        let title = text::length(&self.matrix.title, TITLE).ceil() as usize;
        let names = self.layout.longest + TICK_GAP + LINE;
        let drawn = names + self.layout.side() + self.bar().width();
        drawn.max(title.min(SIDE))
    }

    fn height(&self) -> usize {
        TITLE_ROOM + self.bar_height() + LINE + TICK_GAP + self.layout.longest
    }

    fn draw(&self, page: &mut Page, top: usize, left: usize) {
        let names = self.layout.longest + TICK_GAP + LINE;
        let area = self.layout.area(top + TITLE_ROOM, left + names);
        // Centred above the matrix, if it fits.
        let title = text::fitted(&self.matrix.title, TITLE, self.width() as f32);
        let half = (text::length(&title, TITLE) / 2.0).ceil() as usize;
        let middle = (area.left + area.width / 2)
            .clamp(left + half, left + self.width().max(2 * half) - half);
        let at = (middle, area.top - TITLE_GAP);
        let (anchor, direction) = (Anchor::Middle, Direction::Across);
        page.write(&title, TITLE, at, anchor, direction, INK);
        self.draw_cells(page, area);
        self.layout.draw_names(page, area, 1);
        self.bar().draw(page, area.top, area.right());
    }

    fn draw_cells(&self, page: &mut Page, area: Area) {
        let widest = text::length("−0.00", LABEL) / LABEL;
        let size = (0.9 * self.layout.cell as f32 / widest).min(LABEL);
        for (i, row) in self.matrix.values.iter().enumerate() {
            for (j, &value) in row.iter().enumerate() {
                let cell = self.layout.cell(area, i, j);
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
                    let ink = ink_on(colour);
                    page.write(&fixed(value, 2), size, at, anchor, direction, ink);
                }
            }
        }
        page.frame(area, LINE, INK);
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
        let area = laid.layout.area(10, 10);
        laid.draw_cells(&mut page, area);
        let page = page.picture();
        let corner = |row: usize, column: usize| page.pixel(12 + 64 * row, 12 + 64 * column);
        assert_eq!(corner(0, 0), ColourMap::RdBu.at(1.0));
        assert_eq!(corner(0, 1), ColourMap::RdBu.at(0.0));
        assert_eq!(corner(1, 0), NONE);
        assert_eq!(corner(1, 1), ColourMap::RdBu.at(0.5));
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
