//! Reliability diagrams.

use crate::axes::{Axes, Range};
use crate::canvas::{Area, pale};
use crate::line_chart::COLOURS;
use crate::page::Page;
use crate::style::{INK, LINE, MARGIN, SOFT, TITLE_ROOM};

const PLOT: usize = 480;
/// Bars with a smaller share of the pictures are pale.
const FEW: f64 = 0.01;

/// The pictures whose predicted probability is between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReliabilityBin {
    /// Lower and upper bound of the probability, 0 to 1.
    pub bounds: (f64, f64),
    /// Mean probability of the predicted class.
    pub confidence: f64,
    /// Accuracy of these pictures.
    pub accuracy: f64,
    /// Number of pictures; an empty bin is not drawn.
    pub count: u64,
}

/// A reliability diagram: a bar for each bin, as high as its accuracy. A calibrated classifier is
/// on the dashed line; below it, confidence is too high. The mean probability of a bin is a short
/// line across its bar. Bins with less than 1 % of the pictures are pale.
pub fn reliability(title: &str, bins: &[ReliabilityBin]) -> Page {
    let range = Range {
        low: 0.0,
        high: 1.0,
    };
    let names = ("confidence (its mean in a bar: orange)", "accuracy");
    let axes = Axes::new(title, names, (PLOT, PLOT), (range, range), false);
    let (left, top) = (MARGIN + axes.left(), MARGIN + TITLE_ROOM);
    let width = left + PLOT + axes.right() + MARGIN;
    let height = top + PLOT + axes.below() + MARGIN;
    let mut page = Page::new(height, width);
    let area = axes.draw(&mut page, top, left, 0);

    let total: u64 = bins.iter().map(|bin| bin.count).sum();
    for bin in bins.iter().filter(|bin| bin.count > 0) {
        let ends = [bin.bounds.0, bin.bounds.1].map(|x| axes.at(area, x.clamp(0.0, 1.0), 0.0).0);
        let row = axes.at(area, 0.0, bin.accuracy.clamp(0.0, 1.0)).1;
        let (from, to) = (ends[0].round() as usize + 2, ends[1].round() as usize);
        let bar = Area {
            left: from,
            top: row.round() as usize,
            width: to.saturating_sub(from + 2),
            height: area.bottom() - row.round() as usize,
        };
        let few = (bin.count as f64) < FEW * total as f64;
        page.fill(bar, if few { pale(COLOURS[0]) } else { COLOURS[0] });
        let said = axes.at(area, 0.0, bin.confidence.clamp(0.0, 1.0)).1;
        let ends = [(from as f32 + 3.0, said), (to as f32 - 5.0, said)];
        page.polyline(&ends, 4.0, COLOURS[1]);
    }
    for dash in (0..100).step_by(4) {
        let ends = [dash, dash + 2].map(|x| {
            let x = f64::from(x) / 100.0;
            axes.at(area, x, x)
        });
        page.polyline(&ends, 2.0, SOFT);
    }
    page.frame(area, LINE, INK);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(low: f64, accuracy: f64, count: u64) -> ReliabilityBin {
        ReliabilityBin {
            bounds: (low, low + 0.1),
            confidence: low + 0.05,
            accuracy,
            count,
        }
    }

    fn blue(bins: &[ReliabilityBin]) -> usize {
        let drawn = reliability("calibration", bins).picture();
        drawn
            .rgb()
            .chunks_exact(3)
            .filter(|p| *p == COLOURS[0])
            .count()
    }

    #[test]
    fn bars_are_as_high_as_the_accuracy() {
        // Neither the dashed line nor the mean crosses these bars.
        let (half, quarter) = (blue(&[bin(0.9, 0.6, 10)]), blue(&[bin(0.9, 0.3, 10)]));
        assert_eq!(half, 2 * quarter);
    }

    #[test]
    fn empty_bins_are_not_drawn_and_small_bins_are_pale() {
        assert_eq!(blue(&[]), 0);
        assert_eq!(blue(&[bin(0.9, f64::NAN, 0)]), 0);
        let many = bin(0.0, 0.5, 1000);
        assert_eq!(blue(&[many, bin(0.8, 0.5, 3)]), blue(&[many]));
    }
}
