//! The axes of a chart: title, frame, ticks and grid.

use crate::canvas::Area;
use crate::marks::overhang;
use crate::page::Page;
use crate::style::{GRID, INK, LABEL, LINE, TICK, TICK_GAP, TITLE, TITLE_GAP};
use crate::text::{self, Anchor, CAP_HEIGHT, Direction};
use crate::ticks::{Clipped, Tick, ticks};

/// From tick labels to the name of their axis.
const NAME_GAP: usize = 12;
/// The minimum distances between ticks, in pixels: horizontal, vertical.
pub(crate) const TICK_DISTANCE: (usize, usize) = (70, 52);

/// The axes around a plot area.
pub(crate) struct Axes<'a> {
    title: &'a str,
    names: (&'a str, &'a str),
    pub size: (usize, usize),
    x: Range,
    y: Range,
    ticks: (Vec<Tick>, Vec<Tick>),
}

/// The range of an axis; `low` is less than `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub low: f64,
    pub high: f64,
}

impl Range {
    /// The range of the finite `values`, extended by `margin` (a share of it) at both ends. A
    /// single value gets a range around it, no values the range from 0 to 1.
    pub fn of(values: impl Iterator<Item = f64>, margin: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            return Self {
                low: 0.0,
                high: 1.0,
            };
        }
        // With larger numbers, differences would overflow.
        let (low, high) = (low.max(-1e300), high.min(1e300));
        let room = if high > low {
            margin * (high - low)
        } else {
            0.5 * low.abs().max(1e-300)
        };
        let wider = |room: f64| Self {
            low: low - room,
            high: high + room,
        };
        let range = wider(room);
        // The range is too small for ticks.
        if range.high - range.low <= 1e-9 * low.abs().max(high.abs()) {
            wider(1e-6 * low.abs().max(high.abs()))
        } else {
            range
        }
    }

    pub fn position(self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

impl<'a> Axes<'a> {
    /// Axes with the labels `names` (x, y) around an area of `size` (width, height). With `whole`,
    /// the x axis has ticks at whole numbers only.
    pub fn new(
        title: &'a str,
        names: (&'a str, &'a str),
        size: (usize, usize),
        (x, y): (Range, Range),
        whole: bool,
    ) -> Self {
        let mut count = size.0 / TICK_DISTANCE.0;
        if whole {
            count = count.min(((x.high - x.low) as usize).max(1));
        }
        Self {
            title,
            names,
            size,
            x,
            y,
            ticks: (
                ticks(x.low, x.high, count, Clipped::default()),
                ticks(y.low, y.high, size.1 / TICK_DISTANCE.1, Clipped::default()),
            ),
        }
    }

    /// Width of everything left of the area.
    pub fn left(&self) -> usize {
        self.labels_end() + name_room(self.names.1)
    }

    /// Width of everything right of the area.
    pub fn right(&self) -> usize {
        overhang(&self.ticks.0, self.size.0)
    }

    /// Height of everything below the area.
    pub fn below(&self) -> usize {
        below(self.names.0)
    }

    /// Draws everything except the data. The upper left pixel of the area is at `(top, left)`, with
    /// `gap` free pixels between it and the title. Returns the area.
    pub fn draw(&self, canvas: &mut Page, top: usize, left: usize, gap: usize) -> Area {
        let (width, height) = self.size;
        let area = Area {
            left,
            top,
            width,
            height,
        };
        canvas.axis_below(area, &self.ticks.0);
        self.draw_ticks_upwards(canvas, area);
        canvas.frame(area, LINE, INK);

        let middle = left + width / 2;
        let baseline = top.saturating_sub(gap + TITLE_GAP);
        canvas.title(self.title, TITLE, (middle, baseline), width);
        let baseline = area.bottom() + self.below();
        canvas.title(self.names.0, LABEL, (middle, baseline), width);
        let name = text::fitted(self.names.1, LABEL, height as f32);
        let column = left.saturating_sub(self.labels_end() + NAME_GAP + (LABEL * 0.2) as usize);
        let at = (column, top + height / 2);
        canvas.write(&name, LABEL, at, Anchor::Middle, Direction::Upwards, INK);
        area
    }

    /// Column and row of a point within `area`.
    pub fn at(&self, area: Area, x: f64, y: f64) -> (f32, f32) {
        let across = self.x.position(x) * area.width as f64;
        let upwards = self.y.position(y) * area.height as f64;
        (
            (area.left as f64 + across) as f32,
            (area.bottom() as f64 - upwards) as f32,
        )
    }

    fn draw_ticks_upwards(&self, canvas: &mut Page, area: Area) {
        for tick in &self.ticks.1 {
            let y = area.bottom() - (tick.position * area.height as f32).round() as usize;
            let line = Area {
                top: y.saturating_sub(LINE / 2),
                height: LINE,
                ..area
            };
            canvas.fill(line, GRID);
            canvas.tick_left(area, y as f64, &tick.label);
        }
    }

    /// From the area to the left end of the longest tick label.
    fn labels_end(&self) -> usize {
        let labels = self.ticks.1.iter().map(|tick| &tick.label);
        LINE + TICK + TICK_GAP + text::longest(labels, LABEL)
    }
}

/// Height of the ticks, their labels and the `name` below an area.
pub(crate) fn below(name: &str) -> usize {
    LINE + TICK + TICK_GAP + (LABEL * CAP_HEIGHT).ceil() as usize + 6 + name_room(name)
}

/// The space for the name of an axis.
fn name_room(name: &str) -> usize {
    match name {
        "" => 0,
        _ => NAME_GAP + LABEL as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_the_finite_values_and_is_never_empty() {
        let of = |values: &[f64]| Range::of(values.iter().copied(), 0.1);
        let range = of(&[1.0, f64::NAN, 3.0, f64::INFINITY]);
        assert_eq!((range.low, range.high), (0.8, 3.2));
        for values in [
            &[][..],
            &[f64::NAN],
            &[0.0],
            &[5.0],
            &[-5.0, -5.0],
            &[1.0, 1.0 + f64::EPSILON],
            &[f64::MIN, f64::MAX],
            &[1e-320, 2e-320],
        ] {
            let range = of(values);
            assert!(range.low < range.high, "{values:?}: {range:?}");
            assert!(
                (range.high - range.low).is_finite(),
                "{values:?}: {range:?}"
            );
            let marks = ticks(range.low, range.high, 6, Clipped::default());
            assert!(marks.len() < 20, "{values:?}: {marks:?}");
        }
    }

    #[test]
    fn epochs_have_whole_ticks() {
        for (low, high, labels) in [
            (1.0, 3.0, vec!["1", "2", "3"]),
            (0.5, 1.5, vec!["1"]),
            (1.0, 50.0, vec!["10", "20", "30", "40", "50"]),
        ] {
            let ranges = (
                Range { low, high },
                Range {
                    low: 0.0,
                    high: 1.0,
                },
            );
            let axes = Axes::new("", ("", ""), (640, 400), ranges, true);
            let found: Vec<_> = axes.ticks.0.iter().map(|tick| &tick.label).collect();
            assert_eq!(found, labels.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_point_is_drawn_where_the_ticks_say() {
        let range = Range {
            low: 0.0,
            high: 10.0,
        };
        let axes = Axes::new("", ("", ""), (100, 50), (range, range), false);
        let area = Area {
            left: 20,
            top: 30,
            width: 100,
            height: 50,
        };
        assert_eq!(axes.at(area, 0.0, 0.0), (20.0, 80.0));
        assert_eq!(axes.at(area, 5.0, 10.0), (70.0, 30.0));
    }
}
