//! Lines and discs with smooth edges.

use dvm_image::Picture;

use crate::canvas::blend;

/// Draws a line through `points` (column, row; the centre of pixel 0 is 0.5), `thickness` pixels
/// wide, with round ends and joints.
pub(crate) fn polyline(
    canvas: &mut Picture,
    points: &[(f32, f32)],
    thickness: f32,
    colour: [u8; 3],
) {
    let radius = thickness / 2.0;
    let mut mask = Mask::around(canvas, points, radius + 1.0);
    if let [point] = points {
        mask.segment(*point, *point, radius);
    }
    for ends in points.windows(2) {
        mask.segment(ends[0], ends[1], radius);
    }
    mask.paint(canvas, colour);
}

/// The coverage of each pixel of a rectangle. A line is collected here before it is painted,
/// because a pixel that two segments touch must not be painted twice.
struct Mask {
    left: usize,
    top: usize,
    width: usize,
    coverage: Vec<f32>,
}

impl Mask {
    /// The part of the canvas within `reach` of `points`.
    fn around(canvas: &Picture, points: &[(f32, f32)], reach: f32) -> Self {
        let side = |values: &dyn Fn(&(f32, f32)) -> f32, length: usize| {
            let low = points.iter().map(values).fold(f32::INFINITY, f32::min);
            let high = points.iter().map(values).fold(f32::NEG_INFINITY, f32::max);
            let low = ((low - reach).floor().max(0.0) as usize).min(length);
            let high = ((high + reach).ceil().max(0.0) as usize).min(length);
            (low, high.saturating_sub(low))
        };
        let (left, width) = side(&|point| point.0, canvas.width());
        let (top, height) = side(&|point| point.1, canvas.height());
        Self {
            left,
            top,
            width,
            coverage: vec![0.0; width * height],
        }
    }

    /// Covers everything within `radius` of the line from `a` to `b`.
    fn segment(&mut self, a: (f32, f32), b: (f32, f32), radius: f32) {
        let rows = self.coverage.len().checked_div(self.width).unwrap_or(0);
        let within = |low: f32, high: f32, start: usize, length: usize| {
            let low = ((low - radius - 1.0).floor() as usize).max(start) - start;
            let high = ((high + radius + 1.0).ceil() as usize).clamp(start, start + length);
            low..high - start
        };
        let columns = within(a.0.min(b.0), a.0.max(b.0), self.left, self.width);
        for row in within(a.1.min(b.1), a.1.max(b.1), self.top, rows) {
            for column in columns.clone() {
                let x = (self.left + column) as f32 + 0.5;
                let y = (self.top + row) as f32 + 0.5;
                let covered = (radius + 0.5 - distance((x, y), a, b)).clamp(0.0, 1.0);
                let pixel = &mut self.coverage[row * self.width + column];
                *pixel = pixel.max(covered);
            }
        }
    }

    fn paint(&self, canvas: &mut Picture, colour: [u8; 3]) {
        for (i, &coverage) in self.coverage.iter().enumerate() {
            if coverage > 0.0 {
                let (row, column) = (self.top + i / self.width, self.left + i % self.width);
                blend(canvas, row as i64, column as i64, coverage, colour);
            }
        }
    }
}

/// Distance of `point` from the line that ends at `a` and `b`.
fn distance(point: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
    let (along_x, along_y) = (b.0 - a.0, b.1 - a.1);
    let (x, y) = (point.0 - a.0, point.1 - a.1);
    let square = along_x * along_x + along_y * along_y;
    let t = if square > 0.0 {
        ((x * along_x + y * along_y) / square).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let (x, y) = (x - t * along_x, y - t * along_y);
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: [u8; 3] = [255; 3];
    const BLACK: [u8; 3] = [0; 3];

    #[test]
    fn a_horizontal_line_covers_as_many_rows_as_its_thickness() {
        let mut canvas = Picture::filled(9, 20, WHITE);
        polyline(
            &mut canvas,
            &[(4.0, 4.5), (9.0, 4.5), (15.0, 4.5)],
            3.0,
            BLACK,
        );
        let rows: Vec<_> = (0..9).filter(|&y| canvas.pixel(y, 10) == BLACK).collect();
        assert_eq!(rows, [3, 4, 5]);
        assert_eq!(canvas.pixel(2, 10), WHITE);
        assert_eq!(canvas.pixel(4, 1), WHITE);
    }

    #[test]
    fn a_joint_is_not_darker_than_the_line() {
        let (mut bent, mut straight) =
            (Picture::filled(9, 20, WHITE), Picture::filled(9, 20, WHITE));
        polyline(
            &mut bent,
            &[(3.0, 4.0), (9.0, 4.0), (16.0, 4.0)],
            2.5,
            BLACK,
        );
        polyline(&mut straight, &[(3.0, 4.0), (16.0, 4.0)], 2.5, BLACK);
        assert_eq!(bent, straight);
    }

    #[test]
    fn drawing_outside_the_canvas_is_clipped() {
        let mut canvas = Picture::filled(4, 4, WHITE);
        polyline(&mut canvas, &[(-50.0, -50.0), (90.0, 90.0)], 3.0, BLACK);
        polyline(&mut canvas, &[], 3.0, BLACK);
        polyline(&mut canvas, &[(40.0, -40.0)], 10.0, BLACK);
        assert_eq!(canvas.pixel(2, 2), BLACK);
        assert_eq!(canvas.pixel(0, 3), WHITE);
    }
}
