//! The colour bar beside a panel.

use dvm_image::Picture;

use crate::Scale;
use crate::canvas::Area;
use crate::page::Page;
use crate::style::{INK, LABEL, LINE, TICK, TICK_GAP};
use crate::text::{self, Anchor, Direction};
use crate::ticks::Tick;

/// From the picture to the bar.
const GAP: usize = 20;
const WIDTH: usize = 22;
/// From the tick labels to the label of the bar.
const LABEL_GAP: usize = 14;
/// The minimum distance between ticks.
const TICK_DISTANCE: usize = 52;

/// A colour bar of a given height.
pub(crate) struct ColourBar<'a> {
    scale: &'a Scale,
    ticks: Vec<Tick>,
    label: Option<String>,
    height: usize,
}

impl<'a> ColourBar<'a> {
    pub fn new(scale: &'a Scale, label: Option<&str>, height: usize) -> Self {
        Self {
            scale,
            ticks: scale.ticks(height / TICK_DISTANCE),
            label: label
                .map(|label| text::fitted(label, LABEL, height as f32))
                .filter(|label| !label.trim().is_empty()),
            height,
        }
    }

    /// The width of everything right of the picture.
    pub fn width(&self) -> usize {
        let label = match self.label {
            Some(_) => LABEL_GAP + LABEL as usize,
            None => 0,
        };
        self.ticks_end() + label
    }

    /// Draws the bar beside a picture that ends at column `right` and begins at row `top`.
    pub fn draw(&self, canvas: &mut Page, top: usize, right: usize) {
        let bar = Area {
            left: right + GAP,
            top,
            width: WIDTH,
            height: self.height,
        };
        let colours = (0..self.height).flat_map(|y| {
            let t = 1.0 - (y as f32 + 0.5) / self.height as f32;
            self.colour(t)
        });
        canvas.paste(Picture::new(self.height, 1, colours.collect()), bar);
        canvas.frame(bar, LINE, INK);
        for tick in &self.ticks {
            // The ticks at the two ends are on the frame.
            let y = bar.bottom() as f32 - tick.position * self.height as f32;
            canvas.tick_right(bar.right(), TICK, y, &tick.label);
        }
        if let Some(label) = &self.label {
            // Four fifths of upright text are above its baseline.
            let baseline = right + self.ticks_end() + LABEL_GAP + (LABEL * 0.8) as usize;
            let at = (baseline, top + self.height / 2);
            // The middle of the bar.
            canvas.write(label, LABEL, at, Anchor::Middle, Direction::Upwards, INK);
        }
    }

    /// From the picture to the end of the longest tick label.
    fn ticks_end(&self) -> usize {
        let labels = self.ticks.iter().map(|tick| &tick.label);
        GAP + WIDTH + TICK + TICK_GAP + text::longest(labels, LABEL)
    }

    /// The colour at height `t`; an empty scale has a single colour.
    fn colour(&self, t: f32) -> [u8; 3] {
        if self.scale.high() > self.scale.low() {
            self.scale.map().at(t)
        } else {
            self.scale.colour(self.scale.low())
        }
    }
}
