//! Places in the picture: named rectangles of cells of a grid.

use dvm_engine::incremental::Rectangle;
use serde::Serialize;

/// Rows and columns of the grid of cells.
pub const GRID: usize = 16;

/// Width of the border in cells: a quarter of the side.
pub(super) const MARGIN: usize = GRID / 4;

/// A rectangle of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// First row of cells, 0 … 15.
    pub row: usize,
    /// First column of cells, 0 … 15.
    pub column: usize,
    /// Rows of cells.
    pub rows: usize,
    /// Columns of cells.
    pub columns: usize,
}

const fn place(row: usize, column: usize, rows: usize, columns: usize) -> Place {
    Place {
        row,
        column,
        rows,
        columns,
    }
}

/// The nine parts of the picture with their names: corners of a quarter of each side, the borders between them,
/// and the middle.
pub const PARTS: [(&str, Place); 9] = {
    const M: usize = MARGIN;
    const END: usize = GRID - M;
    const INNER: usize = GRID - 2 * M;
    [
        ("top left corner", place(0, 0, M, M)),
        ("top border", place(0, M, M, INNER)),
        ("top right corner", place(0, END, M, M)),
        ("left border", place(M, 0, INNER, M)),
        ("middle", place(M, M, INNER, INNER)),
        ("right border", place(M, END, INNER, M)),
        ("bottom left corner", place(END, 0, M, M)),
        ("bottom border", place(END, M, M, INNER)),
        ("bottom right corner", place(END, END, M, M)),
    ]
};

/// Depth of a strip along a side, in cells.
const STRIP: usize = GRID / 8;

/// Strips along a whole side, with their names.
const STRIPS: [(&str, Place); 4] = [
    ("strip along the top", place(0, 0, STRIP, GRID)),
    (
        "strip along the bottom",
        place(GRID - STRIP, 0, STRIP, GRID),
    ),
    ("strip along the left side", place(0, 0, GRID, STRIP)),
    (
        "strip along the right side",
        place(0, GRID - STRIP, GRID, STRIP),
    ),
];

impl Place {
    /// Share of the picture's area, 0 … 1: the share of a uniform map.
    pub fn area(&self) -> f64 {
        (self.rows * self.columns) as f64 / (GRID * GRID) as f64
    }

    /// The sum of a map of cells, `[16, 16]`, in the place.
    pub fn of(&self, cells: &[f32]) -> f64 {
        let rows = self.row..self.row + self.rows;
        rows.flat_map(|row| &cells[row * GRID + self.column..][..self.columns])
            .map(|&share| f64::from(share))
            .sum()
    }

    /// The name of the part or strip, or of the part that contains its centre.
    pub fn name(&self) -> &'static str {
        let mut all = PARTS.iter().chain(&STRIPS);
        if let Some((name, _)) = all.find(|(_, known)| known == self) {
            return name;
        }
        let (row, column) = (self.row + self.rows / 2, self.column + self.columns / 2);
        let centre = place(row.min(GRID - 1), column.min(GRID - 1), 1, 1);
        let mut parts = PARTS.iter();
        let part = parts.find(|(_, part)| part.overlaps(&centre));
        part.expect("the parts cover the picture").0
    }

    /// Whether the two have a cell in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        let meet = |a: usize, a_len: usize, b: usize, b_len: usize| a < b + b_len && b < a + a_len;
        meet(self.row, self.rows, other.row, other.rows)
            && meet(self.column, self.columns, other.column, other.columns)
    }

    /// Its pixels in a picture of `height` × `width`.
    pub fn pixels(&self, (height, width): (usize, usize)) -> Rectangle {
        let at = |cell: usize, side: usize| (cell * side + GRID / 2) / GRID;
        Rectangle {
            rows: at(self.row, height)..at(self.row + self.rows, height),
            columns: at(self.column, width)..at(self.column + self.columns, width),
        }
    }

    /// Up to three places of the same shape elsewhere: mirror images, and those with rows and columns exchanged.
    /// They do not overlap each other or the place.
    pub fn mirrored(&self) -> Vec<Self> {
        const MOST: usize = 3;
        let across = |p: &Self| place(p.row, GRID - p.column - p.columns, p.rows, p.columns);
        let down = |p: &Self| place(GRID - p.row - p.rows, p.column, p.rows, p.columns);
        let turned = place(self.column, self.row, self.columns, self.rows);
        let mut found: Vec<Self> = Vec::new();
        for p in [*self, turned] {
            for image in [across(&p), down(&p), across(&down(&p)), p] {
                let is_free = !image.overlaps(self) && !found.iter().any(|f| f.overlaps(&image));
                if is_free && found.len() < MOST {
                    found.push(image);
                }
            }
        }
        found
    }

    /// The squares and strips that the survey searches: squares of a quarter of each side whose centre is not in
    /// the middle of the picture, where the object usually is; and the strips along the sides.
    pub(super) fn searched() -> (Vec<Self>, Vec<Self>) {
        let last = GRID - MARGIN;
        let is_outside = |first: usize| {
            let centre = first + MARGIN / 2;
            !(MARGIN..=GRID - MARGIN).contains(&centre)
        };
        let all = (0..=last).flat_map(|row| (0..=last).map(move |column| (row, column)));
        let squares = all
            .filter(|&(row, column)| is_outside(row) || is_outside(column))
            .map(|(row, column)| place(row, column, MARGIN, MARGIN))
            .collect();
        (squares, STRIPS.map(|(_, strip)| strip).to_vec())
    }

    /// The corner, if the square is at most one cell away from it; otherwise the square itself.
    pub(super) fn snapped(self) -> Self {
        let corners = PARTS.iter().filter(|(name, _)| name.ends_with("corner"));
        let near = |a: usize, b: usize| a.abs_diff(b) <= 1;
        let mut corners = corners.map(|(_, corner)| *corner);
        let found = corners.find(|corner| {
            (corner.rows, corner.columns) == (self.rows, self.columns)
                && near(corner.row, self.row)
                && near(corner.column, self.column)
        });
        found.unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nine_parts_cover_every_cell_once() {
        let mut seen = vec![0; GRID * GRID];
        for (_, part) in PARTS {
            for row in part.row..part.row + part.rows {
                for column in part.column..part.column + part.columns {
                    seen[row * GRID + column] += 1;
                }
            }
        }
        assert!(seen.iter().all(|&count| count == 1));
        let area: f64 = PARTS.iter().map(|(_, part)| part.area()).sum();
        assert_eq!(area, 1.0);
    }

    #[test]
    fn a_corner_is_compared_with_the_other_three() {
        let mut names: Vec<_> = PARTS[0].1.mirrored().iter().map(Place::name).collect();
        names.sort_unstable();
        let others = [
            "bottom left corner",
            "bottom right corner",
            "top right corner",
        ];
        assert_eq!(names, others);
    }

    #[test]
    fn a_place_is_not_compared_with_itself() {
        let (squares, strips) = Place::searched();
        for place in squares.iter().chain(&strips) {
            let mirrored = place.mirrored();
            assert!(!mirrored.is_empty(), "{place:?}");
            for (index, other) in mirrored.iter().enumerate() {
                assert!(!other.overlaps(place), "{place:?} {other:?}");
                assert_eq!(other.area(), place.area());
                assert!(mirrored[..index].iter().all(|o| !o.overlaps(other)));
            }
        }
    }

    #[test]
    fn squares_around_the_middle_are_not_searched() {
        let (squares, _) = Place::searched();
        assert!(squares.contains(&place(0, 6, 4, 4)));
        assert!(squares.contains(&place(12, 12, 4, 4)));
        assert!(!squares.contains(&place(6, 6, 4, 4)));
        assert!(!squares.contains(&place(3, 8, 4, 4)));
    }

    #[test]
    fn a_place_is_named_after_its_position() {
        assert_eq!(place(1, 1, 4, 4).snapped().name(), "top left corner");
        assert_eq!(place(11, 12, 4, 4).snapped().name(), "bottom right corner");
        assert_eq!(place(0, 6, 4, 4).snapped().name(), "top border");
        assert_eq!(place(0, 14, 16, 2).name(), "strip along the right side");
    }

    #[test]
    fn the_pixels_of_adjacent_places_touch_without_overlap() {
        for side in [7, 18, 224, 299] {
            let pixels = PARTS.map(|(_, part)| part.pixels((side, side)));
            let count: usize = pixels.iter().map(|p| p.rows.len() * p.columns.len()).sum();
            assert_eq!(count, side * side);
        }
    }
}
