//! Combines overlapping windows: from one value per window to one value per pixel.

use dvm_image::HeatMap;
use dvm_options::words;

words! {
    /// The value of a pixel under several windows.
    pub(super) enum Overlap {
        /// That of the window with the nearest centre.
        Cell = "cell",
        /// The mean of all windows over it.
        Average = "average",
        /// Their sum.
        Sum = "sum",
    }
}

impl Overlap {
    /// One value at each pair of `ys` and `xs` (positions in pixels on the picture that windows are
    /// laid on); `None` if the map keeps its cells. A point outside of the picture is under no
    /// window; its mean is `uncovered`, the value of a window without effect.
    pub fn combined(
        self,
        cells: &HeatMap,
        (ys, xs): (&[f64], &[f64]),
        uncovered: f32,
    ) -> Option<Vec<f32>> {
        if self == Self::Cell {
            return None;
        }
        let grid = cells.grid();
        let over = |points: &[f64], count: usize, window: usize, stride: usize, length: usize| {
            let windows = |p: &f64| -> Vec<usize> {
                (0..count)
                    .filter(|i| {
                        let start = (i * stride) as f64;
                        *p >= start && *p < (start + window as f64).min(length as f64)
                    })
                    .collect()
            };
            points.iter().map(windows).collect::<Vec<_>>()
        };
        let (window, stride) = (grid.window, grid.stride);
        let rows = over(ys, grid.rows(), window.0, stride.0, grid.height);
        let columns = over(xs, grid.columns(), window.1, stride.1, grid.width);
        let mut map = Vec::with_capacity(ys.len() * xs.len());
        for rows in &rows {
            for columns in &columns {
                let sum: f64 = rows
                    .iter()
                    .flat_map(|r| columns.iter().map(move |c| r * grid.columns() + c))
                    .map(|cell| f64::from(cells.values()[cell]))
                    .sum();
                let count = rows.len() * columns.len();
                map.push(match self {
                    Self::Average if count == 0 => uncovered,
                    Self::Average => (sum / count as f64) as f32,
                    Self::Cell | Self::Sum => sum as f32,
                });
            }
        }
        Some(map)
    }
}

#[cfg(test)]
mod tests {
    use dvm_image::{Grid, HeatMap};

    use super::Overlap;

    fn three_windows() -> HeatMap {
        let grid = Grid {
            height: 1,
            width: 4,
            window: (1, 2),
            stride: (1, 1),
        };
        HeatMap::new(grid, vec![1.0, 3.0, 5.0])
    }

    #[test]
    fn windows_over_a_pixel_are_averaged_or_summed() {
        let (ys, xs) = three_windows().grid().pixel_centres();
        let combined = |overlap: Overlap| overlap.combined(&three_windows(), (&ys, &xs), 0.0);
        assert_eq!(combined(Overlap::Average).unwrap(), [1.0, 2.0, 4.0, 5.0]);
        assert_eq!(combined(Overlap::Sum).unwrap(), [1.0, 4.0, 8.0, 5.0]);
        assert_eq!(combined(Overlap::Cell), None);
    }

    #[test]
    fn a_point_outside_of_the_picture_is_under_no_window() {
        let points: (&[f64], &[f64]) = (&[0.5], &[-1.0, 1.5, 4.5]);
        let mean = Overlap::Average.combined(&three_windows(), points, 9.0);
        assert_eq!(mean.unwrap(), [9.0, 2.0, 9.0]);
        let sum = Overlap::Sum.combined(&three_windows(), points, 9.0);
        assert_eq!(sum.unwrap(), [0.0, 4.0, 0.0]);
    }
}
