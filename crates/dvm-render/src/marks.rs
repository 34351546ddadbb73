//! What charts and panels draw alike: titles, ticks with labels, dashed lines.

use crate::canvas::Area;
use crate::page::Page;
use crate::style::{GRID, INK, LABEL, LINE, SOFT, TICK, TICK_GAP};
use crate::text::{self, Anchor, CAP_HEIGHT, Direction};
use crate::ticks::Tick;

impl Page {
    /// Writes `words` with the middle of their baseline `at` (column, row), shortened to `room`.
    pub(crate) fn title(&mut self, words: &str, size: f32, at: (usize, usize), room: usize) {
        let words = text::fitted(words, size, room as f32);
        self.write(&words, size, at, Anchor::Middle, Direction::Across, INK);
    }

    /// Draws the ticks of an axis below `area`, each with a grid line.
    pub(crate) fn axis_below(&mut self, area: Area, ticks: &[Tick]) {
        for tick in ticks {
            let x = area.left + (tick.position * area.width as f32).round() as usize;
            let line = Area {
                left: x.saturating_sub(LINE / 2),
                width: LINE,
                ..area
            };
            self.fill(line, GRID);
            self.tick_below(area, x, &tick.label);
        }
    }

    /// Draws a tick with its label below `area` at column `x`.
    pub(crate) fn tick_below(&mut self, area: Area, x: usize, label: &str) {
        let mark = Area {
            left: x.saturating_sub(LINE / 2),
            top: area.bottom() + LINE,
            width: LINE,
            height: TICK,
        };
        self.fill(mark, INK);
        let at = (x, labels_below(area));
        let (anchor, direction) = (Anchor::Middle, Direction::Across);
        self.write(label, LABEL, at, anchor, direction, SOFT);
    }

    /// Draws a tick with its label left of `area` at row `y`.
    pub(crate) fn tick_left(&mut self, area: Area, y: f64, label: &str) {
        let mark = Area {
            left: area.left.saturating_sub(LINE + TICK),
            top: (y.round() as usize).saturating_sub(LINE / 2),
            width: TICK,
            height: LINE,
        };
        self.fill(mark, INK);
        let baseline = (y + f64::from(CAP_HEIGHT * LABEL) / 2.0).round() as usize;
        let at = (mark.left.saturating_sub(TICK_GAP), baseline);
        self.write(label, LABEL, at, Anchor::End, Direction::Across, SOFT);
    }

    /// Draws a tick of `length` with its label at row `y`, right of column `left`.
    pub(crate) fn tick_right(&mut self, left: usize, length: usize, y: f32, label: &str) {
        let mark = Area {
            left,
            top: (y.round() as usize).saturating_sub(LINE / 2),
            width: length,
            height: LINE,
        };
        self.fill(mark, INK);
        let baseline = (y + CAP_HEIGHT * LABEL / 2.0).round() as usize;
        let at = (mark.right() + TICK_GAP, baseline);
        self.write(label, LABEL, at, Anchor::Start, Direction::Across, SOFT);
    }

    /// Draws a dashed line from the top of `area` to its bottom.
    pub(crate) fn dashed(&mut self, area: Area, column: usize, colour: [u8; 3]) {
        for dash in (0..area.height).step_by(12) {
            let dash = Area {
                left: column.saturating_sub(1),
                top: area.top + dash,
                width: 2,
                height: 6.min(area.height - dash),
            };
            self.fill(dash, colour);
        }
    }
}

/// The baseline of the labels of ticks below `area`.
pub(crate) fn labels_below(area: Area) -> usize {
    area.bottom() + LINE + TICK + TICK_GAP + (CAP_HEIGHT * LABEL).ceil() as usize
}

/// How far the last label of an axis of `length` extends beyond its end, at least a frame.
pub(crate) fn overhang(ticks: &[Tick], length: usize) -> usize {
    let overhang = ticks.last().map_or(0.0, |tick| {
        let half = text::length(&tick.label, LABEL) / 2.0;
        half - (1.0 - tick.position) * length as f32
    });
    LINE.max(overhang.ceil().max(0.0) as usize)
}
