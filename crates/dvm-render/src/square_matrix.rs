//! The cells and the names of a square matrix.

use crate::canvas::Area;
use crate::page::Page;
use crate::style::{INK, LABEL, LINE, SOFT, TICK_GAP};
use crate::text::{self, Anchor, CAP_HEIGHT, Direction};

/// The minimum text size of names and numbers.
pub(crate) const SMALLEST: f32 = 9.0;

/// The layout of a matrix with a row and a column for each name.
pub(crate) struct SquareMatrix {
    /// The side of a cell.
    pub cell: usize,
    /// Width of the longest name.
    pub longest: usize,
    names: Vec<String>,
    /// Text size of names.
    size: f32,
}

impl SquareMatrix {
    /// A matrix with cells of side `cell` and names that are at most `room` wide.
    pub fn new(names: &[String], cell: usize, room: f32) -> Self {
        let size = (cell as f32).clamp(SMALLEST, LABEL);
        let names = names.iter().map(|name| text::fitted(name, size, room));
        let names: Vec<String> = names.collect();
        Self {
            cell,
            longest: text::longest(&names, size),
            names,
            size,
        }
    }

    pub fn side(&self) -> usize {
        (self.names.len() * self.cell).max(1)
    }

    /// The square of the matrix with its upper left pixel at `(top, left)`.
    pub fn area(&self, top: usize, left: usize) -> Area {
        Area {
            left,
            top,
            width: self.side(),
            height: self.side(),
        }
    }

    /// The cell at `row` and `column` of the matrix in `area`.
    pub fn cell(&self, area: Area, row: usize, column: usize) -> Area {
        // Large cells are separated by a white line.
        let side = self.cell - usize::from(self.cell >= 24);
        Area {
            left: area.left + column * self.cell,
            top: area.top + row * self.cell,
            width: side,
            height: side,
        }
    }

    /// Draws every `step`-th name left of `area` and below it.
    pub fn draw_names(&self, page: &mut Page, area: Area, step: usize) {
        let half = CAP_HEIGHT * self.size / 2.0;
        for (i, name) in self.names.iter().enumerate().step_by(step) {
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

/// The text colour on `colour`.
pub(crate) fn ink_on(colour: [u8; 3]) -> [u8; 3] {
    let [red, green, blue] = colour.map(u32::from);
    if 299 * red + 587 * green + 114 * blue < 150_000 {
        [255; 3]
    } else {
        INK
    }
}
