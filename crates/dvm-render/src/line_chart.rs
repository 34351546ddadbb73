//! Line charts.

use crate::axes::{Axes, Range};
use crate::canvas::Area;
use crate::chart_grid::chart_grid;
use crate::page::Page;
use crate::style::{INK, LABEL, SOFT, TITLE_ROOM};
use crate::text::{self, Anchor, CAP_HEIGHT, Direction};

/// Width and height of the plot area.
const PLOT: (usize, usize) = (640, 400);

const THICKNESS: f32 = 3.0;
/// Points of shorter curves are marked.
const MARKED: usize = 40;
const MARK_RADIUS: f32 = 4.5;
/// Space between title and axes for the legend.
const LEGEND: usize = 34;
const SAMPLE: usize = 30;
const SAMPLE_GAP: usize = 8;
const ENTRY_GAP: usize = 26;

/// Colours that differ in hue and lightness, after seaborn's `deep`.
pub(crate) const COLOURS: [[u8; 3]; 6] = [
    [76, 114, 176],
    [221, 132, 82],
    [85, 168, 104],
    [196, 78, 82],
    [129, 114, 179],
    [147, 120, 96],
];

/// A curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The name, for the legend.
    pub name: String,
    /// The points (x, y) in order; the curve is interrupted at points that are not finite.
    pub points: Vec<(f64, f64)>,
}

/// A line chart.
#[derive(Clone, Debug, PartialEq)]
pub struct LineChart {
    /// The title.
    pub title: String,
    /// The label of the x axis, such as `epoch`.
    pub x_name: String,
    /// Whether x is a count: ticks are at whole numbers only.
    pub counts: bool,
    /// The label of the y axis, with its unit.
    pub y_name: String,
    /// The curves, each in another colour.
    pub series: Vec<Series>,
    /// An x value to mark by a dashed line, with a label.
    pub mark: Option<(f64, String)>,
}

/// Charts side by side, at most three per row, below an optional `heading`.
///
/// ```
/// use dvm_render::{LineChart, Series, line_charts};
///
/// let points = vec![(1.0, 0.9), (2.0, f64::NAN), (3.0, 0.5)];
/// let loss = LineChart {
///     title: "loss".into(),
///     x_name: "epoch".into(),
///     counts: true,
///     y_name: "cross-entropy".into(),
///     series: vec![Series { name: "training".into(), points }],
///     mark: None,
/// };
/// assert!(line_charts(None, &[loss]).width() > 640);
/// ```
pub fn line_charts(heading: Option<&str>, charts: &[LineChart]) -> Page {
    let axes: Vec<Axes> = charts.iter().map(LineChart::axes).collect();
    let left = axes.iter().map(Axes::left).max().unwrap_or(0);
    let right = axes.iter().map(Axes::right).max().unwrap_or(0);
    let below = axes.iter().map(Axes::below).max().unwrap_or(0);
    let above = TITLE_ROOM + LEGEND;

    let size = (left + PLOT.0 + right, above + PLOT.1 + below);
    chart_grid(heading, charts.len(), size, |page, index, at| {
        charts[index].draw(page, &axes[index], at.0 + above, at.1 + left);
    })
}

impl LineChart {
    fn axes(&self) -> Axes<'_> {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let marked = self.mark.iter().map(|(x, _)| *x);
        let x = Range::of(points().map(|point| point.0).chain(marked), 0.03);
        let y = Range::of(points().map(|point| point.1), 0.06);
        let names = (self.x_name.as_str(), self.y_name.as_str());
        Axes::new(&self.title, names, PLOT, (x, y), self.counts)
    }

    /// Draws the chart with the upper left pixel of its curves at `(top, left)`.
    fn draw(&self, page: &mut Page, axes: &Axes, top: usize, left: usize) {
        let area = axes.draw(page, top, left, LEGEND);
        self.draw_mark(page, axes, area);
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let marked = series.points.len() <= MARKED;
            let pieces = series
                .points
                .split(|(x, y)| !(x.is_finite() && y.is_finite()));
            for piece in pieces {
                let drawn: Vec<_> = piece.iter().map(|&(x, y)| axes.at(area, x, y)).collect();
                page.polyline(&drawn, THICKNESS, *colour);
                // A single point between two gaps would be hard to see.
                if marked || drawn.len() == 1 {
                    for &point in &drawn {
                        page.disc(point, MARK_RADIUS, *colour);
                    }
                }
            }
        }
        self.draw_legend(page, area);
    }

    fn draw_mark(&self, page: &mut Page, axes: &Axes, area: Area) {
        let Some((x, words)) = self.mark.as_ref().filter(|(x, _)| x.is_finite()) else {
            return;
        };
        let column = axes.at(area, *x, 0.0).0.round() as usize;
        page.dashed(area, column, SOFT);
        // The label is on the side with more space.
        let (before, after) = (column - area.left, area.right().saturating_sub(column));
        let baseline = area.bottom() - 12;
        let (at, anchor, room) = if before > after {
            ((column.saturating_sub(8), baseline), Anchor::End, before)
        } else {
            ((column + 8, baseline), Anchor::Start, after)
        };
        let words = text::fitted(words, LABEL, room.saturating_sub(16) as f32);
        page.write(&words, LABEL, at, anchor, Direction::Across, SOFT);
    }

    /// The legend, in a row above the axes; names that do not fit are not drawn.
    fn draw_legend(&self, page: &mut Page, area: Area) {
        let lengths = self.series.iter().map(|s| text::length(&s.name, LABEL));
        let entry = SAMPLE + SAMPLE_GAP + ENTRY_GAP;
        let whole: usize = lengths.map(|length| entry + length.ceil() as usize).sum();
        let unused = (area.width + ENTRY_GAP).saturating_sub(whole);
        let mut x = area.left + unused / 2;
        let baseline = area.top - LEGEND + (CAP_HEIGHT * LABEL) as usize;
        let middle = baseline as f32 - CAP_HEIGHT * LABEL / 2.0;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let words_at = x + SAMPLE + SAMPLE_GAP;
            let Some(room) = area.right().checked_sub(words_at).filter(|&room| room > 20) else {
                return;
            };
            let words = text::fitted(&series.name, LABEL, room as f32);
            let (from, to) = (x as f32 + THICKNESS, (x + SAMPLE) as f32 - THICKNESS);
            page.polyline(&[(from, middle), (to, middle)], THICKNESS, *colour);
            page.disc(((from + to) / 2.0, middle), MARK_RADIUS, *colour);
            let at = (words_at, baseline);
            let (anchor, direction) = (Anchor::Start, Direction::Across);
            page.write(&words, LABEL, at, anchor, direction, INK);
            x = words_at + text::length(&words, LABEL).ceil() as usize + ENTRY_GAP;
        }
    }
}

#[cfg(test)]
mod tests {
    use dvm_image::Picture;

    use super::*;

    fn chart(series: Vec<Vec<(f64, f64)>>) -> LineChart {
        LineChart {
            title: "loss".into(),
            x_name: "epoch".into(),
            counts: true,
            y_name: "cross-entropy".into(),
            series: series
                .into_iter()
                .enumerate()
                .map(|(i, points)| Series {
                    name: format!("curve {i}"),
                    points,
                })
                .collect(),
            mark: None,
        }
    }

    fn count(picture: &Picture, colour: [u8; 3]) -> usize {
        let pixels = picture.rgb().chunks_exact(3);
        pixels.filter(|pixel| *pixel == colour).count()
    }

    #[test]
    fn charts_without_numbers_are_drawn() {
        for series in [
            vec![],
            vec![vec![]],
            vec![vec![(f64::NAN, 1.0), (1.0, f64::INFINITY)]],
            vec![vec![(1.0, -1e308), (2.0, 1e308)]],
            vec![vec![(1.0, 3.0)]; 20],
        ] {
            let mut chart = chart(series);
            chart.mark = Some((f64::NAN, "nowhere".into()));
            let drawn = line_charts(Some("heading"), &vec![chart; 4]);
            assert!(drawn.width() < 3000 && drawn.height() < 1500);
        }
        assert!(line_charts(None, &[]).height() > 0);
    }

    #[test]
    fn a_curve_is_interrupted_at_nan() {
        let whole = chart(vec![vec![(1.0, 1.0), (2.0, 1.5), (3.0, 2.0)]]);
        let mut gap = whole.clone();
        gap.series[0].points[1].1 = f64::NAN;
        let ink = |chart: &LineChart| {
            let page = line_charts(None, std::slice::from_ref(chart));
            count(&page.picture(), COLOURS[0])
        };
        let lone_points = 2.0 * std::f32::consts::PI * MARK_RADIUS * MARK_RADIUS;
        assert!(ink(&gap) < 5 * lone_points as usize);
        assert!(ink(&whole) > 1500);
    }

    #[test]
    fn each_curve_has_another_colour() {
        let drawn = line_charts(None, &[chart(vec![vec![(1.0, 1.0)], vec![(2.0, 2.0)]])]).picture();
        assert!(count(&drawn, COLOURS[0]) > 50 && count(&drawn, COLOURS[1]) > 50);
        assert_eq!(count(&drawn, COLOURS[2]), 0);
    }
}
