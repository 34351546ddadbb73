//! A map: a grid of values, and the pixels that each cell covers.

/// The positions of the cells of a [`HeatMap`] on a `[height, width]` picture. Cell `(r, c)` covers
/// the rows `r * stride.0 .. r * stride.0 + window.0` and the columns `c * stride.1 .. c * stride.1
/// + window.1`, clipped at the border. A map with one value per pixel has window 1 and stride 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows of the picture.
    pub height: usize,
    /// Columns of the picture.
    pub width: usize,
    /// Rows and columns of one window, in pixels.
    pub window: (usize, usize),
    /// Rows and columns between windows, in pixels.
    pub stride: (usize, usize),
}

impl Grid {
    /// One cell per pixel.
    pub fn pixels(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            window: (1, 1),
            stride: (1, 1),
        }
    }

    /// Rows of cells: `ceil((height − window) / stride) + 1`, at least 1, without cells beyond the
    /// border.
    pub fn rows(&self) -> usize {
        count(self.height, self.window.0, self.stride.0)
    }

    /// Columns of cells: `ceil((width − window) / stride) + 1`, at least 1, without cells beyond
    /// the border.
    pub fn columns(&self) -> usize {
        count(self.width, self.window.1, self.stride.1)
    }

    /// The centres of all rows and columns, in pixels from the upper left corner.
    pub fn pixel_centres(&self) -> (Vec<f64>, Vec<f64>) {
        let centres = |length| (0..length).map(|i| i as f64 + 0.5).collect();
        (centres(self.height), centres(self.width))
    }

    /// The rows and columns that cell `(row, column)` covers, clipped.
    pub fn pixels_of(
        &self,
        row: usize,
        column: usize,
    ) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        (
            span(row, self.window.0, self.stride.0, self.height),
            span(column, self.window.1, self.stride.1, self.width),
        )
    }

    /// The cells with the nearest (clipped) centre: for each of `ys` the row of cells, for each of
    /// `xs` the column. Coordinates are in pixels from the upper left corner. Ties go to the upper
    /// or left cell.
    pub fn nearest_cells(&self, ys: &[f64], xs: &[f64]) -> (Vec<usize>, Vec<usize>) {
        (
            nearest_cells(&self.row_centres(), ys),
            nearest_cells(&self.column_centres(), xs),
        )
    }

    fn row_centres(&self) -> Vec<f64> {
        centres(self.height, self.window.0, self.stride.0)
    }

    fn column_centres(&self) -> Vec<f64> {
        centres(self.width, self.window.1, self.stride.1)
    }
}

fn count(length: usize, window: usize, stride: usize) -> usize {
    // If the stride is greater than the window, the last window could be outside the picture.
    let begin_inside = (length.max(1) - 1) / stride + 1;
    (length.saturating_sub(window).div_ceil(stride) + 1).min(begin_inside)
}

fn span(index: usize, window: usize, stride: usize, length: usize) -> std::ops::Range<usize> {
    let start = index * stride;
    start..start.saturating_add(window).min(length)
}

/// A grid of values with the positions of its cells.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    grid: Grid,
    values: Vec<f32>,
}

impl HeatMap {
    /// Wraps `values`, `[grid.rows(), grid.columns()]`.
    ///
    /// # Panics
    /// If the number of values is not the number of cells.
    pub fn new(grid: Grid, values: Vec<f32>) -> Self {
        assert_eq!(
            values.len(),
            grid.rows() * grid.columns(),
            "one value per cell"
        );
        Self { grid, values }
    }

    /// The positions of the cells.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// One value per cell, `[rows, columns]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The map at picture size, `[height, width]`: each pixel has the value of the cell with the
    /// nearest (clipped) window centre. Ties go to the upper or left cell.
    pub fn nearest(&self) -> Vec<f32> {
        let (ys, xs) = self.grid.pixel_centres();
        self.nearest_at(&ys, &xs)
    }

    /// The map at picture size, `[height, width]`: bilinear between the (clipped) window centres,
    /// constant outside, evaluated at pixel centres.
    pub fn smooth(&self) -> Vec<f32> {
        let (ys, xs) = self.grid.pixel_centres();
        self.smooth_at(&ys, &xs)
    }

    /// As [`HeatMap::nearest`], evaluated at all pairs of `ys` and `xs`, `[ys.len(), xs.len()]`, in
    /// pixels from the upper left corner (pixel `i` has its centre at `i + 0.5`).
    pub fn nearest_at(&self, ys: &[f64], xs: &[f64]) -> Vec<f32> {
        let (rows, columns) = self.grid.nearest_cells(ys, xs);
        let width = self.grid.columns();
        let mut map = Vec::with_capacity(ys.len() * xs.len());
        for &row in &rows {
            map.extend(columns.iter().map(|&c| self.values[row * width + c]));
        }
        map
    }

    /// As [`HeatMap::smooth`], evaluated at all pairs of `ys` and `xs`, as [`HeatMap::nearest_at`].
    pub fn smooth_at(&self, ys: &[f64], xs: &[f64]) -> Vec<f32> {
        let rows = between_cells(&self.grid.row_centres(), ys);
        let columns = between_cells(&self.grid.column_centres(), xs);
        let cell_rows: Vec<Vec<f64>> = self
            .values
            .chunks_exact(self.grid.columns())
            .map(|cells| {
                columns
                    .iter()
                    .map(|b| b.mix(cells[b.first].into(), cells[b.second].into()))
                    .collect()
            })
            .collect();
        let mut map = Vec::with_capacity(ys.len() * xs.len());
        for b in &rows {
            let pairs = cell_rows[b.first].iter().zip(&cell_rows[b.second]);
            map.extend(pairs.map(|(&upper, &lower)| b.mix(upper, lower) as f32));
        }
        map
    }
}

/// Two neighbouring cells along one axis, and the weight of the second one.
struct Between {
    first: usize,
    second: usize,
    fraction: f64,
}

impl Between {
    fn mix(&self, first: f64, second: f64) -> f64 {
        first + (second - first) * self.fraction
    }
}

/// For each point along one axis, the two neighbouring cells.
fn between_cells(centres: &[f64], points: &[f64]) -> Vec<Between> {
    points
        .iter()
        .map(|&p| {
            let after = centres.partition_point(|&centre| centre <= p);
            let first = after.saturating_sub(1);
            let second = after.min(centres.len() - 1);
            let fraction = if first == second {
                0.0
            } else {
                (p - centres[first]) / (centres[second] - centres[first])
            };
            Between {
                first,
                second,
                fraction,
            }
        })
        .collect()
}

/// The centres of the (clipped) windows along one axis, in pixels; halves are exact in f64.
fn centres(length: usize, window: usize, stride: usize) -> Vec<f64> {
    (0..count(length, window, stride))
        .map(|i| {
            let s = span(i, window, stride, length);
            (s.start + s.end) as f64 / 2.0
        })
        .collect()
}

/// For each point along one axis, the window with the nearest centre.
fn nearest_cells(centres: &[f64], points: &[f64]) -> Vec<usize> {
    points
        .iter()
        .map(|&p| {
            let after = centres.partition_point(|&centre| centre < p);
            match after {
                0 => 0,
                _ if after == centres.len() => after - 1,
                _ if p - centres[after - 1] <= centres[after] - p => after - 1,
                _ => after,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5 rows in windows of 4 every 3: rows 0–3 and, clipped, 3–4. 7 columns in windows of 3 every
    /// 2: columns 0–2, 2–4, 4–6. Centres (in pixel edges): rows 2 and 4, columns 1.5, 3.5, 5.5.
    fn clipped() -> HeatMap {
        let grid = Grid {
            height: 5,
            width: 7,
            window: (4, 3),
            stride: (3, 2),
        };
        HeatMap::new(grid, vec![1.0, 2.0, 3.0, 10.0, 20.0, 30.0])
    }

    #[test]
    fn the_last_window_is_clipped_at_the_border() {
        let grid = *clipped().grid();
        assert_eq!((grid.rows(), grid.columns()), (2, 3));
        assert_eq!(grid.pixels_of(1, 2), (3..5, 4..7));
    }

    #[test]
    fn no_window_starts_outside_the_picture() {
        let grid = Grid {
            height: 10,
            width: 10,
            window: (1, 1),
            stride: (7, 7),
        };
        assert_eq!(grid.rows(), 2);
        assert_eq!(grid.pixels_of(1, 1), (7..8, 7..8));
    }

    #[test]
    fn a_picture_smaller_than_the_window_has_one_cell() {
        let grid = Grid {
            height: 2,
            width: 3,
            window: (20, 20),
            stride: (10, 10),
        };
        let map = HeatMap::new(grid, vec![4.0]);
        assert_eq!(map.nearest(), [4.0; 6]);
        assert_eq!(map.smooth(), [4.0; 6]);
    }

    #[test]
    fn nearest_gives_each_pixel_the_cell_with_the_nearest_centre() {
        // Column 2 (centre 2.5) is between the centres 1.5 and 3.5: it belongs to the left cell.
        let upper = [1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0];
        let lower = upper.map(|value| value * 10.0);
        assert_eq!(
            clipped().nearest(),
            [upper, upper, upper, lower, lower].concat()
        );
    }

    #[test]
    fn smooth_is_bilinear_between_centres_and_constant_beyond() {
        let upper = [1.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.0];
        // Row 2 (centre 2.5) is a quarter of the way from centre 2 to centre 4, row 3 three.
        let between = |part: f32| upper.map(|value| value * (1.0 + 9.0 * part));
        let rows = [0.0, 0.0, 0.25, 0.75, 1.0].map(between);
        assert_eq!(clipped().smooth(), rows.concat());
    }

    #[test]
    fn smooth_reproduces_a_linear_ramp() {
        let grid = Grid {
            height: 40,
            width: 64,
            window: (20, 10),
            stride: (10, 6),
        };
        let centre = |range: std::ops::Range<usize>| (range.start + range.end) as f32 / 2.0;
        let ramp = |y: f32, x: f32| 3.0 * y - 2.0 * x + 5.0;
        let mut values = Vec::new();
        for row in 0..grid.rows() {
            for column in 0..grid.columns() {
                let (rows, columns) = grid.pixels_of(row, column);
                values.push(ramp(centre(rows), centre(columns)));
            }
        }
        let smooth = HeatMap::new(grid, values).smooth();
        for y in 10..30 {
            for x in 5..59 {
                let expected = ramp(y as f32 + 0.5, x as f32 + 0.5);
                assert!((smooth[y * 64 + x] - expected).abs() < 1e-4, "{y} {x}");
            }
        }
    }

    #[test]
    fn a_map_of_pixels_and_a_constant_map_do_not_change() {
        let values: Vec<f32> = (0..35).map(|i| (i * i) as f32 * 0.1).collect();
        let pixels = HeatMap::new(Grid::pixels(5, 7), values.clone());
        assert_eq!(pixels.smooth(), values);
        assert_eq!(pixels.nearest(), values);
        let constant = HeatMap::new(*clipped().grid(), vec![0.3; 6]);
        assert_eq!(constant.smooth(), [0.3; 35]);
    }
}
