//! A map as shares of its relevance, so that all pictures count the same.

use super::places::GRID;

/// The positive relevance of a map `[H, W]`, summed over the cells of a grid `[rows, columns]` and divided by its
/// sum. A pixel on a border between cells is divided by area. Negative values count as 0. `None` if no value is
/// positive.
pub(super) fn shares(
    relevance: &[f32],
    size: (usize, usize),
    grid: (usize, usize),
) -> Option<Vec<f32>> {
    let total: f64 = relevance.iter().map(|&v| f64::from(v.max(0.0))).sum();
    if !(total.is_finite() && total > 0.0) {
        return None;
    }
    let (height, width) = size;
    let columns = overlaps(width, grid.1);
    let rows = overlaps(height, grid.0);
    let mut cells = vec![0.0f64; grid.0 * grid.1];
    let mut line = vec![0.0f64; grid.1];
    for (pixels, (first, last, share)) in relevance.chunks_exact(width).zip(&rows) {
        line.fill(0.0);
        for (&value, (first, last, share)) in pixels.iter().zip(&columns) {
            let value = f64::from(value.max(0.0));
            line[*first] += value * share;
            line[*last] += value * (1.0 - share);
        }
        for (column, value) in line.iter().enumerate() {
            cells[first * grid.1 + column] += value * share;
            cells[last * grid.1 + column] += value * (1.0 - share);
        }
    }
    // With fewer pixels than cells, a pixel would cover several cells.
    Some(cells.iter().map(|&cell| (cell / total) as f32).collect())
}

/// The shares in the cells of the grid of all surveys, `[16, 16]`.
pub(super) fn cells(relevance: &[f32], size: (usize, usize)) -> Option<Vec<f32>> {
    let fine = (size.0.max(GRID), size.1.max(GRID));
    if fine == size {
        return shares(relevance, size, (GRID, GRID));
    }
    // Enlarges a small map without interpolation, so that no pixel is wider than a cell.
    let factor = |side: usize| GRID.div_ceil(side);
    let (down, across) = (factor(size.0), factor(size.1));
    let mut large = Vec::with_capacity(relevance.len() * down * across);
    for row in relevance.chunks_exact(size.1) {
        let wide: Vec<f32> = row.iter().flat_map(|&v| vec![v; across]).collect();
        (0..down).for_each(|_| large.extend(&wide));
    }
    shares(&large, (size.0 * down, size.1 * across), (GRID, GRID))
}

/// For each of `pixels` along a side: the first and the last of `cells` that it overlaps, and its share in the
/// first. There are at least as many pixels as cells, so a pixel overlaps at most two cells.
fn overlaps(pixels: usize, cells: usize) -> Vec<(usize, usize, f64)> {
    let of = |pixel: usize| {
        // In units of cell / pixels, which are exact.
        let (from, to) = (pixel * cells, (pixel + 1) * cells);
        let first = from / pixels;
        let last = ((to - 1) / pixels).min(cells - 1);
        let border = (first + 1) * pixels;
        let share = (border.min(to) - from) as f64 / cells as f64;
        (first, last, share)
    };
    (0..pixels).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_positive_values_add_up_to_one() {
        let mut map = vec![-3.0; 20 * 30];
        map[0] = 1.0;
        map[20 * 30 - 1] = 3.0;
        let found = shares(&map, (20, 30), (16, 16)).unwrap();
        assert!((found.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((found[0] - 0.25).abs() < 1e-6);
        assert!((found[255] - 0.75).abs() < 1e-6);
    }

    #[test]
    fn a_pixel_between_two_cells_is_divided_by_area() {
        // Three pixels on two cells: the middle one is halved.
        let found = shares(&[1.0, 4.0, 1.0], (1, 3), (1, 2)).unwrap();
        assert_eq!(found, [0.5, 0.5]);
        let found = shares(&[0.0, 0.0, 0.0, 2.0, 0.0], (1, 5), (1, 2)).unwrap();
        assert_eq!(found, [0.0, 1.0]);
        let found = shares(&[0.0, 0.0, 1.0, 0.0, 0.0], (5, 1), (2, 1)).unwrap();
        assert_eq!(found, [0.5, 0.5]);
    }

    #[test]
    fn a_uniform_map_has_uniform_cells() {
        for size in [(7, 7), (18, 33), (224, 224), (1, 1), (16, 5)] {
            let found = cells(&vec![2.0; size.0 * size.1], size).unwrap();
            assert_eq!(found.len(), 256);
            for share in found {
                assert!((share - 1.0 / 256.0).abs() < 1e-8, "{size:?} {share}");
            }
        }
    }

    #[test]
    fn a_map_without_positive_values_has_no_shares() {
        assert_eq!(cells(&[0.0, -1.0, 0.0, -2.0], (2, 2)), None);
        assert_eq!(cells(&[0.0, f32::INFINITY], (1, 2)), None);
    }
}
