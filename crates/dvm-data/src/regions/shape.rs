//! Objects and their shapes.

use std::ops::Range;
use std::sync::Arc;

use super::coco::Runs;

/// An object in a picture.
#[derive(Clone, Debug)]
pub struct Object {
    /// The name of its class, if known.
    pub class: Option<Arc<str>>,
    /// Its shape.
    pub shape: Shape,
    /// Its index in the file, from 0.
    pub(super) index: u32,
}

/// The shape of an object on the original picture. Coordinates are in pixels, continuous, with the origin at
/// the outer corner of the top left pixel: the centre of pixel `i` is `i + 0.5`. Points on the top or left edge
/// are inside, points on the bottom or right edge are not.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A rectangle.
    Box {
        /// From the top edge to the bottom edge.
        rows: Range<f64>,
        /// From the left edge to the right edge.
        columns: Range<f64>,
    },
    /// The union of these outlines (`x`, `y` of each corner; even-odd rule where an outline crosses itself).
    Polygons(Box<[Box<[[f32; 2]]>]>),
    /// A run-length encoded mask, column by column.
    Runs(Runs),
    /// A mask, `[H, W]`.
    Mask {
        /// Columns.
        width: usize,
        /// Whether each pixel is the object.
        pixels: Arc<[bool]>,
    },
}

/// How far a shape may extend beyond its picture, in pixels, because coordinates are rounded.
const OVERHANG: f64 = 1.0;

impl Shape {
    /// How many numbers describe it; 0 for a mask file.
    pub(super) fn numbers(&self) -> usize {
        match self {
            Self::Box { .. } => 4,
            Self::Polygons(outlines) => outlines.iter().map(|outline| 2 * outline.len()).sum(),
            Self::Runs(runs) => runs.count(),
            Self::Mask { .. } => 0,
        }
    }

    /// Rows and columns of its bounding rectangle; `None` if it has no pixel.
    pub(super) fn bounds(&self) -> Option<(Range<f64>, Range<f64>)> {
        match self {
            Self::Box { rows, columns } => Some((rows.clone(), columns.clone())),
            Self::Polygons(outlines) => bounds_of(outlines.iter().flatten()),
            Self::Runs(runs) => runs.bounds().map(in_pixels),
            Self::Mask { width, pixels } => bounds_of_mask(*width, pixels).map(in_pixels),
        }
    }

    /// Why it does not match a picture of so many rows and columns, if it does not.
    pub(super) fn misfit(&self, (height, width): (usize, usize)) -> Option<String> {
        if let Self::Runs(runs) = self
            && runs.size() != (height, width)
        {
            return Some(super::another_size(runs.size(), (height, width)));
        }
        let (rows, columns) = self.bounds()?;
        let beyond = [
            ("top", -rows.start),
            ("left", -columns.start),
            ("bottom", rows.end - height as f64),
            ("right", columns.end - width as f64),
        ];
        let (side, by) = beyond.into_iter().find(|(_, by)| *by > OVERHANG)?;
        Some(format!(
            "extends {by} pixels beyond the {side} edge of its picture of {height}×{width} pixels; check that it \
             belongs to this picture, at this size"
        ))
    }

    /// Sets `grid` (`[ys, xs]`) to `true` at the points `(ys[i], xs[j])` of the original that are inside. Both
    /// lists are increasing.
    pub(super) fn paint(&self, ys: &[f64], xs: &[f64], grid: &mut [bool]) {
        match self {
            Self::Box { rows, columns } => {
                let across = between(xs, columns.start, columns.end);
                for row in between(ys, rows.start, rows.end) {
                    grid[row * xs.len()..][across.clone()].fill(true);
                }
            }
            Self::Polygons(outlines) => {
                for outline in outlines {
                    paint_polygon(outline, ys, xs, grid);
                }
            }
            Self::Runs(runs) => runs.paint(ys, xs, grid),
            Self::Mask { width, pixels } => {
                let height = pixels.len() / width;
                let across = between(xs, 0.0, *width as f64);
                for row in between(ys, 0.0, height as f64) {
                    let own = &pixels[ys[row] as usize * width..][..*width];
                    for column in across.clone() {
                        grid[row * xs.len() + column] |= own[xs[column] as usize];
                    }
                }
            }
        }
    }
}

// Whether an odd number of edges is crossed between the point before and this one.
/// The indices of increasing values in `from .. to`.
pub(super) fn between(values: &[f64], from: f64, to: f64) -> Range<usize> {
    let start = values.partition_point(|&value| value < from);
    let end = values.partition_point(|&value| value < to);
    start..end.max(start)
}

fn in_pixels((rows, columns): (Range<usize>, Range<usize>)) -> (Range<f64>, Range<f64>) {
    let continuous = |range: Range<usize>| range.start as f64..range.end as f64;
    (continuous(rows), continuous(columns))
}

fn bounds_of<'p>(points: impl Iterator<Item = &'p [f32; 2]>) -> Option<(Range<f64>, Range<f64>)> {
    let mut bounds: Option<(Range<f64>, Range<f64>)> = None;
    for &[x, y] in points {
        let (x, y) = (f64::from(x), f64::from(y));
        let (rows, columns) = bounds.get_or_insert((y..y, x..x));
        *rows = rows.start.min(y)..rows.end.max(y);
        *columns = columns.start.min(x)..columns.end.max(x);
    }
    bounds
}

fn bounds_of_mask(width: usize, pixels: &[bool]) -> Option<(Range<usize>, Range<usize>)> {
    let mut bounds: Option<(Range<usize>, Range<usize>)> = None;
    for (row, own) in pixels.chunks_exact(width).enumerate() {
        let Some(first) = own.iter().position(|&is_object| is_object) else {
            continue;
        };
        let last = own
            .iter()
            .rposition(|&is_object| is_object)
            .unwrap_or(first);
        let (rows, columns) = bounds.get_or_insert((row..row + 1, first..last + 1));
        rows.end = row + 1;
        *columns = columns.start.min(first)..columns.end.max(last + 1);
    }
    bounds
}

fn paint_polygon(outline: &[[f32; 2]], ys: &[f64], xs: &[f64], grid: &mut [bool]) {
    let Some((rows, _)) = bounds_of(outline.iter()) else {
        return;
    };
    // Whether an odd number of edges is crossed between the point before and this one.
    let mut crossed = vec![false; xs.len() + 1];
    for row in between(ys, rows.start, rows.end) {
        let y = ys[row];
        crossed.fill(false);
        let mut from = outline.last().map(|point| point.map(f64::from));
        for to in outline.iter().map(|point| point.map(f64::from)) {
            if let Some([x0, y0]) = from
                && (y0 <= y) != (to[1] <= y)
            {
                let x = x0 + (y - y0) / (to[1] - y0) * (to[0] - x0);
                crossed[xs.partition_point(|&value| value < x)] ^= true;
            }
            from = Some(to);
        }
        let mut is_inside = false;
        let pixels = &mut grid[row * xs.len()..][..xs.len()];
        for (pixel, crossed) in pixels.iter_mut().zip(&crossed) {
            is_inside ^= crossed;
            *pixel |= is_inside;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels of a grid with the centre in a shape, as rows of `#` and `.`.
    fn painted(shape: &Shape, height: usize, width: usize) -> Vec<String> {
        let centres = |count| (0..count).map(|i| i as f64 + 0.5).collect::<Vec<_>>();
        let mut grid = vec![false; height * width];
        shape.paint(&centres(height), &centres(width), &mut grid);
        let mark = |&is_inside: &bool| if is_inside { '#' } else { '.' };
        grid.chunks(width)
            .map(|row| row.iter().map(mark).collect())
            .collect()
    }

    fn polygon(points: &[[f32; 2]]) -> Shape {
        Shape::Polygons([points.into()].into())
    }

    #[test]
    fn a_pixel_is_in_a_box_if_its_centre_is_inside_or_on_the_top_left_edge() {
        let shape = Shape::Box {
            rows: 0.5..1.5,
            columns: 0.51..3.5,
        };
        assert_eq!(painted(&shape, 3, 5), [".##..", ".....", "....."]);
        // Two adjacent boxes share no pixel and leave no gap.
        let right = Shape::Box {
            rows: 0.5..1.5,
            columns: 3.5..9.0,
        };
        assert_eq!(painted(&right, 3, 5), ["...##", ".....", "....."]);
    }

    #[test]
    fn a_triangle_contains_the_centres_on_its_side_of_the_slope() {
        // The slope x + y = 4 goes through the centres (0.5, 3.5) … (3.5, 0.5), which are outside.
        let shape = polygon(&[[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]);
        assert_eq!(painted(&shape, 4, 4), ["###.", "##..", "#...", "...."]);
    }

    #[test]
    fn outlines_follow_the_even_odd_rule_and_are_united() {
        let square = [[0.0, 0.0], [5.0, 0.0], [5.0, 5.0], [0.0, 5.0]];
        let hole = [
            [0.0, 0.0],
            [1.0, 1.0],
            [1.0, 4.0],
            [4.0, 4.0],
            [4.0, 1.0],
            [1.0, 1.0],
        ];
        let ring: Vec<[f32; 2]> = square.iter().chain(&hole).copied().collect();
        let rows = ["#####", "#...#", "#...#", "#...#", "#####"];
        assert_eq!(painted(&polygon(&ring), 5, 5), rows);
        let both =
            Shape::Polygons([ring.into(), [[2.0, 2.0], [3.0, 2.0], [2.0, 3.9]].into()].into());
        assert_eq!(painted(&both, 5, 5)[2], "#.#.#");
    }

    #[test]
    fn a_shape_may_extend_beyond_its_picture_by_a_pixel() {
        let of = |columns| Shape::Box {
            rows: 0.0..1.0,
            columns,
        };
        assert_eq!(of(-1.0..9.0).misfit((4, 8)), None);
        let why = of(-1.5..9.0).misfit((4, 8)).unwrap();
        assert!(why.contains("1.5 pixels beyond the left edge"), "{why}");
        let why = polygon(&[[0.0, 0.0], [1.0, 0.0], [0.0, 40.0]]).misfit((4, 8));
        assert!(why.unwrap().contains("beyond the bottom edge"));
    }

    #[test]
    fn the_bounds_of_a_mask_are_those_of_its_pixels() {
        let mut pixels = [false; 12];
        assert_eq!(bounds_of_mask(4, &pixels), None);
        (pixels[6], pixels[9]) = (true, true);
        assert_eq!(bounds_of_mask(4, &pixels), Some((1..3, 1..3)));
    }
}
