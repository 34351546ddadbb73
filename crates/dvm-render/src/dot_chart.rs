//! Dot charts: values with confidence intervals.

use crate::axes::{Range, TICK_DISTANCE};
use crate::canvas::Area;
use crate::chart_grid::chart_grid;
use crate::line_chart::COLOURS;
use crate::marks::overhang;
use crate::page::Page;
use crate::style::{GRID, INK, LABEL, LINE, SOFT, TICK_GAP, TITLE, TITLE_GAP, TITLE_ROOM};
use crate::text::{self, Anchor, CAP_HEIGHT, Direction};
use crate::ticks::{Clipped, Tick, decades, ticks};

/// Width of the axis.
const WIDTH: usize = 460;
/// From one row to the next.
const PITCH: usize = 36;
/// The maximum width of a name.
const NAME: f32 = 280.0;
const RADIUS: f32 = 6.5;
const THICKNESS: f32 = 4.0;
/// Length of the cap at the end of an interval.
const CAP: f32 = 12.0;
const CONTROL: [u8; 3] = [140, 140, 140];

/// A row of a dot chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Dot {
    /// The label of the row.
    pub name: String,
    /// The value; if it is not finite, nothing is drawn.
    pub value: f64,
    /// The confidence interval, if there is one.
    pub interval: Option<(f64, f64)>,
    /// The kind, which sets the colour.
    pub kind: DotKind,
}

/// The kind of a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DotKind {
    /// A normal row: blue.
    Plain,
    /// The best row: orange.
    Best,
    /// A control, which others should beat: grey, with a dashed line through all rows.
    Control,
}

/// A dot chart.
#[derive(Clone, Debug, PartialEq)]
pub struct DotChart {
    /// The title.
    pub title: String,
    /// The label of the axis, such as `lower is better`.
    pub axis: String,
    /// The rows, from top to bottom.
    pub dots: Vec<Dot>,
    /// Whether the axis is logarithmic; values that are not greater than 0 are then not drawn.
    pub logarithmic: bool,
}

/// Charts side by side, at most three per row, below an optional `heading`.
///
/// ```
/// use dvm_render::{Dot, DotChart, DotKind, dot_charts};
///
/// let dot = Dot {
///     name: "grad-cam".into(),
///     value: 0.31,
///     interval: Some((0.27, 0.35)),
///     kind: DotKind::Best,
/// };
/// let chart = DotChart {
///     title: "insertion".into(),
///     axis: "higher is better".into(),
///     dots: vec![dot],
///     logarithmic: false,
/// };
/// assert!(dot_charts(None, &[chart]).width() > 460);
/// ```
pub fn dot_charts(heading: Option<&str>, charts: &[DotChart]) -> Page {
    let laid: Vec<ChartLayout> = charts.iter().map(ChartLayout::new).collect();
    let left = laid.iter().map(|chart| chart.left).max().unwrap_or(0);
    let right = laid.iter().map(|chart| chart.right).max().unwrap_or(0);
    let rows = charts.iter().map(|chart| chart.dots.len()).max();
    let high = TITLE_ROOM + PITCH * rows.unwrap_or(0).max(1) + below();
    let size = (left + WIDTH + right, high);
    let mut page = chart_grid(heading, charts.len(), size, |page, index, at| {
        laid[index].draw(page, at.0 + TITLE_ROOM, at.1 + left);
    });
    page.set_title(heading.unwrap_or_default().into());
    page
}

/// Height of everything below the rows.
fn below() -> usize {
    crate::axes::below("name")
}

/// A chart with its layout.
struct ChartLayout<'a> {
    chart: &'a DotChart,
    names: Vec<String>,
    axis: Axis,
    /// Width of everything left and right of the axis.
    left: usize,
    right: usize,
}

enum Axis {
    Linear(Range, Vec<Tick>),
    /// From the first to the last power of ten.
    Logarithmic((i32, i32), Vec<Tick>),
}

impl Axis {
    fn of(chart: &DotChart) -> Self {
        let values = chart.dots.iter().flat_map(|dot| {
            let ends = dot.interval.map(|(low, high)| [low, high]);
            [dot.value].into_iter().chain(ends.into_iter().flatten())
        });
        if chart.logarithmic {
            let positive = values.filter(|value| value.is_finite() && *value > 0.0);
            let (ends, ticks) = decades(positive);
            return Self::Logarithmic(ends, ticks);
        }
        let range = Range::of(values, 0.06);
        let count = WIDTH / TICK_DISTANCE.0;
        let ticks = ticks(range.low, range.high, count, Clipped::default());
        Self::Linear(range, ticks)
    }

    fn ticks(&self) -> &[Tick] {
        match self {
            Self::Linear(_, ticks) | Self::Logarithmic(_, ticks) => ticks,
        }
    }

    /// The position of a value, 0 at the low end and 1 at the high end; `None` if it is not on the
    /// axis.
    fn position(&self, value: f64) -> Option<f32> {
        let position = match self {
            Self::Linear(range, _) => range.position(value),
            Self::Logarithmic((low, high), _) => {
                (value.log10() - f64::from(*low)) / f64::from(high - low)
            }
        };
        position
            .is_finite()
            .then(|| position.clamp(0.0, 1.0) as f32)
    }
}

impl<'a> ChartLayout<'a> {
    fn new(chart: &'a DotChart) -> Self {
        let axis = Axis::of(chart);
        let names = chart.dots.iter();
        let names = names.map(|dot| text::fitted(&dot.name, LABEL, NAME));
        let names: Vec<String> = names.collect();
        Self {
            chart,
            left: LINE + TICK_GAP + text::longest(&names, LABEL),
            right: overhang(axis.ticks(), WIDTH),
            names,
            axis,
        }
    }

    /// Draws the chart with the upper left pixel of its rows at `(top, left)`.
    fn draw(&self, page: &mut Page, top: usize, left: usize) {
        let area = Area {
            left,
            top,
            width: WIDTH,
            height: PITCH * self.chart.dots.len().max(1),
        };
        self.draw_ticks(page, area);
        page.frame(area, LINE, INK);
        let middle = left + area.width / 2;
        let at = (middle, top.saturating_sub(TITLE_GAP));
        page.title(&self.chart.title, TITLE, at, area.width);
        let at = (middle, area.bottom() + below());
        page.title(&self.chart.axis, LABEL, at, area.width);
        let controls = self.chart.dots.iter();
        for dot in controls.filter(|dot| dot.kind == DotKind::Control) {
            if let Some(x) = self.column(area, dot.value) {
                page.dashed(area, x.round() as usize, CONTROL);
            }
        }
        for (row, (dot, name)) in self.chart.dots.iter().zip(&self.names).enumerate() {
            let y = (area.top + PITCH * row) as f32 + PITCH as f32 / 2.0;
            let ink = match dot.kind {
                DotKind::Control => SOFT,
                DotKind::Plain | DotKind::Best => INK,
            };
            let baseline = (y + CAP_HEIGHT * LABEL / 2.0).round() as usize;
            let at = (left.saturating_sub(LINE + TICK_GAP), baseline);
            page.write(name, LABEL, at, Anchor::End, Direction::Across, ink);
            self.draw_dot(page, area, y, dot);
        }
    }

    fn column(&self, area: Area, value: f64) -> Option<f32> {
        let position = self.axis.position(value)?;
        Some(area.left as f32 + position * area.width as f32)
    }

    fn draw_dot(&self, page: &mut Page, area: Area, y: f32, dot: &Dot) {
        let colour = match dot.kind {
            DotKind::Plain => COLOURS[0],
            DotKind::Best => COLOURS[1],
            DotKind::Control => CONTROL,
        };
        let Some(x) = self.column(area, dot.value) else {
            return;
        };
        let ends = dot.interval.and_then(|(low, high)| {
            let (low, high) = (self.column(area, low)?, self.column(area, high)?);
            Some((low, high))
        });
        if let Some((low, high)) = ends {
            page.polyline(&[(low, y), (high, y)], THICKNESS, colour);
            for end in [low, high] {
                let cap = [(end, y - CAP / 2.0), (end, y + CAP / 2.0)];
                page.polyline(&cap, THICKNESS / 2.0, colour);
            }
        }
        page.disc((x, y), RADIUS, colour);
    }

    fn draw_ticks(&self, page: &mut Page, area: Area) {
        for row in 0..self.chart.dots.len() {
            let y = area.top + PITCH * row + PITCH / 2;
            let line = Area {
                top: y.saturating_sub(LINE / 2),
                height: LINE,
                ..area
            };
            page.fill(line, GRID);
        }
        page.axis_below(area, self.axis.ticks());
    }
}

#[cfg(test)]
mod tests {
    use dvm_image::Picture;

    use super::*;

    fn dot(value: f64, interval: Option<(f64, f64)>, kind: DotKind) -> Dot {
        Dot {
            name: "a method".into(),
            value,
            interval,
            kind,
        }
    }

    fn chart(dots: Vec<Dot>, logarithmic: bool) -> DotChart {
        DotChart {
            title: "deletion".into(),
            axis: "lower is better".into(),
            dots,
            logarithmic,
        }
    }

    fn count(picture: &Picture, colour: [u8; 3]) -> usize {
        let pixels = picture.rgb().chunks_exact(3);
        pixels.filter(|pixel| *pixel == colour).count()
    }

    #[test]
    fn a_value_is_drawn_where_the_ticks_say() {
        let linear = chart(
            vec![
                dot(0.0, None, DotKind::Plain),
                dot(1.0, None, DotKind::Plain),
            ],
            false,
        );
        let axis = Axis::of(&linear);
        for tick in axis.ticks() {
            let value: f64 = tick.label.parse().unwrap();
            assert!((axis.position(value).unwrap() - tick.position).abs() < 1e-5);
        }
        let values = [0.02, 30.0].map(|value| dot(value, None, DotKind::Plain));
        let axis = Axis::of(&chart(values.to_vec(), true));
        let labels: Vec<&str> = axis.ticks().iter().map(|tick| &tick.label[..]).collect();
        assert_eq!(labels, ["0.01", "0.1", "1", "10", "100"]);
        assert_eq!(axis.position(1.0), Some(0.5));
        assert_eq!(axis.position(0.0), None);
        assert_eq!(axis.position(f64::NAN), None);
    }

    #[test]
    fn intervals_and_controls_are_drawn_in_their_colours() {
        let dots = vec![
            dot(0.3, Some((0.1, 0.5)), DotKind::Best),
            dot(0.2, None, DotKind::Plain),
            dot(0.4, None, DotKind::Control),
        ];
        let picture = dot_charts(None, &[chart(dots, false)]).picture();
        let area = (std::f32::consts::PI * RADIUS * RADIUS) as usize;
        let [best, plain] = [COLOURS[1], COLOURS[0]].map(|colour| count(&picture, colour));
        assert!(plain > area / 2 && plain < area, "{plain}");
        // The interval covers most of the axis.
        assert!(best > area + 2 * WIDTH, "{best}");
        assert!(count(&picture, CONTROL) > area + 80);
    }

    #[test]
    fn charts_without_numbers_are_drawn() {
        for dots in [
            vec![],
            vec![dot(f64::NAN, None, DotKind::Best)],
            vec![dot(f64::INFINITY, Some((f64::NAN, 1.0)), DotKind::Control)],
            vec![dot(-1e308, Some((-1e308, 1e308)), DotKind::Plain); 40],
        ] {
            for logarithmic in [false, true] {
                let charts = vec![chart(dots.clone(), logarithmic); 4];
                let page = dot_charts(Some("heading"), &charts);
                assert!(page.picture().width() < 3000);
            }
        }
        assert!(dot_charts(None, &[]).height() > 0);
    }
}
