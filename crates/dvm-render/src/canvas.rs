//! Fills, blends and pastes on a picture, clipped at its border.

use dvm_image::Picture;

/// A rectangle in pixels of the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl Area {
    pub fn right(&self) -> usize {
        self.left + self.width
    }

    pub fn bottom(&self) -> usize {
        self.top + self.height
    }
}

/// Fills the part of `area` that is on the canvas.
pub(crate) fn fill(canvas: &mut Picture, area: Area, colour: [u8; 3]) {
    for y in area.top..area.bottom().min(canvas.height()) {
        for x in area.left..area.right().min(canvas.width()) {
            canvas.set_pixel(y, x, colour);
        }
    }
}

/// The four sides of a frame of `thickness` pixels just outside `area`.
pub(crate) fn sides(area: Area, thickness: usize) -> [Area; 4] {
    let left = area.left.saturating_sub(thickness);
    let top = area.top.saturating_sub(thickness);
    let width = area.right() + thickness - left;
    let height = area.bottom() + thickness - top;
    let side = |left, top, width, height| Area {
        left,
        top,
        width,
        height,
    };
    [
        side(left, top, width, area.top - top),
        side(left, area.bottom(), width, thickness),
        side(left, top, area.left - left, height),
        side(area.right(), top, thickness, height),
    ]
}

/// Copies `picture` to `(top, left)`.
pub(crate) fn paste(canvas: &mut Picture, picture: &Picture, top: usize, left: usize) {
    for y in 0..picture.height().min(canvas.height().saturating_sub(top)) {
        for x in 0..picture.width().min(canvas.width().saturating_sub(left)) {
            canvas.set_pixel(top + y, left + x, picture.pixel(y, x));
        }
    }
}

/// Blends `colour` into a pixel by its `coverage` (0..=1).
pub(crate) fn blend(canvas: &mut Picture, row: i64, column: i64, coverage: f32, colour: [u8; 3]) {
    let (Ok(row), Ok(column)) = (usize::try_from(row), usize::try_from(column)) else {
        return;
    };
    if row >= canvas.height() || column >= canvas.width() {
        return;
    }
    let mixed = mix(canvas.pixel(row, column), colour, coverage.clamp(0.0, 1.0));
    canvas.set_pixel(row, column, mixed);
}

/// The colour between `below` (at a `share` of 0) and `above` (1).
pub(crate) fn mix(below: [u8; 3], above: [u8; 3], share: f32) -> [u8; 3] {
    std::array::from_fn(|c| {
        let (below, above) = (f32::from(below[c]), f32::from(above[c]));
        (below + (above - below) * share).round() as u8
    })
}

/// A third of a colour on white.
pub(crate) fn pale(colour: [u8; 3]) -> [u8; 3] {
    colour.map(|c| 255 - (255 - c) / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: [u8; 3] = [255; 3];
    const BLACK: [u8; 3] = [0; 3];

    #[test]
    fn a_frame_is_outside_its_area() {
        let mut canvas = Picture::filled(5, 6, WHITE);
        let area = Area {
            left: 2,
            top: 1,
            width: 3,
            height: 2,
        };
        for side in sides(area, 1) {
            fill(&mut canvas, side, BLACK);
        }
        let drawn: Vec<String> = (0..5)
            .map(|y| {
                (0..6)
                    .map(|x| {
                        if canvas.pixel(y, x) == BLACK {
                            '#'
                        } else {
                            '.'
                        }
                    })
                    .collect()
            })
            .collect();
        assert_eq!(drawn, [".#####", ".#...#", ".#...#", ".#####", "......"]);
    }

    #[test]
    fn drawing_outside_the_canvas_is_clipped() {
        let mut canvas = Picture::filled(2, 2, WHITE);
        paste(&mut canvas, &Picture::filled(5, 5, BLACK), 1, 1);
        let outside = Area {
            left: 7,
            top: 7,
            width: 9,
            height: 9,
        };
        fill(&mut canvas, outside, BLACK);
        assert_eq!(canvas.pixel(1, 1), BLACK);
        assert_eq!(canvas.pixel(0, 1), WHITE);
    }
}
