//! The live view of a training: state and curves.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, LineGauge, Paragraph};

use super::estimate::Work;
use super::{History, left_words, percent};

/// Height of the view in lines; smaller terminals get lines of text.
pub const HEIGHT: u16 = 18;

const TRAINING: Color = Color::Cyan;
const VALIDATION: Color = Color::Yellow;
/// Columns that two charts side by side need.
const TWO_CHARTS: u16 = 72;

/// Draws the state, `now` after the start of the process. The last line stays empty for the cursor, so a shell
/// continues there however the program ends.
pub fn draw(frame: &mut Frame, history: &History, now: Duration) {
    let [state, gauge, charts, last] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(state_lines(history)), state);
    frame.render_widget(work(history, now, gauge.width), gauge);
    let loss = Panel {
        title: "loss",
        curves: [history.train_loss.points(), history.val_loss.points()],
        epochs: history.epochs,
        share: false,
    };
    let accuracy = Panel {
        title: "accuracy",
        curves: [
            history.train_accuracy.points(),
            history.val_accuracy.points(),
        ],
        epochs: history.epochs,
        share: true,
    };
    if charts.width < TWO_CHARTS {
        accuracy.draw(frame, charts);
    } else {
        let [left, right] = Layout::horizontal([Constraint::Fill(1); 2])
            .spacing(1)
            .areas(charts);
        loss.draw(frame, left);
        accuracy.draw(frame, right);
    }
    frame.set_cursor_position((last.x, last.y));
}

/// Three lines, short enough for a narrow terminal.
fn state_lines(history: &History) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let (epoch, epochs) = (history.epoch.max(1), history.epochs);
    let mut first = vec![
        Span::styled(history.model.clone(), bold),
        Span::raw(format!("  epoch {epoch} of {epochs}")),
    ];
    if let Some((epoch, Some(accuracy))) = history.best {
        let accuracy = percent(accuracy);
        first.push(Span::raw(format!("  best: {accuracy} in epoch {epoch}")));
    }
    let figures = |name: &str, colour, values: Option<(f64, f64)>, more: String| {
        let values = match values {
            Some((loss, accuracy)) => {
                format!("loss {loss:.3}  accuracy {}{more}", percent(accuracy))
            }
            None => "–".to_owned(),
        };
        Line::from(vec![
            Span::styled("● ", Style::new().fg(colour)),
            Span::raw(format!("{name:<11} {values}")),
        ])
    };
    let rate = match history.learning_rate {
        0.0 => String::new(),
        value => format!("  lr {}", rate(value)),
    };
    let last = history.last;
    let validated = last.and_then(|last| Some((last.val_loss?, last.val_accuracy?)));
    let of = last.map_or_else(String::new, |last| format!("  epoch {}", last.epoch));
    vec![
        Line::from(first),
        figures("training", TRAINING, history.train, rate),
        figures("validation", VALIDATION, validated, of),
    ]
}

/// Shortest length of the bar in columns.
const BAR: usize = 8;

/// The current work, its progress, and the time left.
fn work(history: &History, now: Duration, width: u16) -> LineGauge<'static> {
    let estimate = &history.estimate;
    let at = match estimate.work {
        Work::Starting => Work::Starting.name().to_owned(),
        work => format!("{} {} of {}", work.name(), estimate.done, estimate.total),
    };
    let left = history.left(now).map(left_words);
    let speed = (estimate.work == Work::Steps)
        .then(|| format!("{:.1} pictures/s", history.images_per_second));
    // If the line is too narrow, the speed is dropped.
    let full = [Some(at.clone()), speed, left.clone()];
    let short = [Some(at), None, left];
    let joined = |parts: [Option<String>; 3]| {
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join("  ") + " "
    };
    let (full, short) = (joined(full), joined(short));
    let fits = full.chars().count() + BAR <= usize::from(width);
    LineGauge::default()
        .ratio(estimate.share())
        .filled_symbol("━")
        .unfilled_symbol("─")
        .label(if fits { full } else { short })
        .filled_style(Style::new().fg(TRAINING))
        .unfilled_style(Style::new().fg(Color::DarkGray))
}

/// A learning rate with three digits.
fn rate(rate: f64) -> String {
    if rate == 0.0 || (1e-3..1e3).contains(&rate) {
        let text = format!("{rate:.5}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{rate:.2e}")
    }
}

/// The curves of one value, for training and validation.
struct Panel<'a> {
    title: &'static str,
    curves: [&'a [(f64, f64)]; 2],
    epochs: usize,
    /// Whether the value is a share, in percent and within 0 and 1.
    share: bool,
}

impl Panel<'_> {
    fn draw(&self, frame: &mut Frame, area: Rect) {
        let (low, high) = self.bounds();
        let label = |value: f64| match (self.share, high - low) {
            (true, range) if range < 0.05 => format!("{:.1} %", 100.0 * value),
            (true, _) => format!("{:.0} %", 100.0 * value),
            (false, range) if range < 0.05 => format!("{value:.4}"),
            (false, range) if range < 50.0 => format!("{value:.2}"),
            (false, _) => format!("{value:.3e}"),
        };
        let colours = [TRAINING, VALIDATION];
        let datasets = self.curves.iter().zip(colours).map(|(points, colour)| {
            // A line needs two points.
            let kind = if points.len() > 1 {
                GraphType::Line
            } else {
                GraphType::Scatter
            };
            Dataset::default()
                .marker(Marker::Braille)
                .graph_type(kind)
                .style(Style::new().fg(colour))
                .data(points)
        });
        let last = self.epochs.max(1) as f64;
        let soft = Style::new().fg(Color::DarkGray);
        let chart = Chart::new(datasets.collect())
            .block(Block::new().title(self.title))
            .x_axis(
                Axis::default()
                    .style(soft)
                    .bounds([0.0, last])
                    .labels(["0".to_owned(), format!("epoch {last}")]),
            )
            .y_axis(
                Axis::default()
                    .style(soft)
                    .bounds([low, high])
                    .labels([low, (low + high) / 2.0, high].map(label)),
            );
        frame.render_widget(chart, area);
    }

    /// The range of the curves, with a margin.
    fn bounds(&self) -> (f64, f64) {
        let values = self.curves.iter().flat_map(|points| points.iter());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
            (low.min(point.1), high.max(point.1))
        });
        if low > high {
            return (0.0, 1.0);
        }
        let room = 0.05 * (high - low).max(0.01 * high.abs()).max(1e-3);
        if self.share {
            ((low - room).max(0.0), (high + room).min(1.0))
        } else {
            ((low - room).max(0.0), high + room)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::{record, started, step};
    use super::*;
    use dvm::training::{Phase, TrainingEvent};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(history: &History, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let now = Duration::from_secs(25);
        terminal.draw(|frame| draw(frame, history, now)).unwrap();
        let buffer = terminal.backend().buffer();
        let rows = buffer.content().chunks(usize::from(width));
        rows.map(|row| {
            let text: String = row.iter().map(|cell| cell.symbol()).collect();
            text.trim_end().to_owned()
        })
        .collect()
    }

    fn history() -> History {
        let mut history = History::new();
        history.take(&started(), Duration::ZERO);
        for epoch in 1..=2 {
            for i in 1..=4 {
                history.take(&step(epoch, i), Duration::from_secs(2 * i as u64));
            }
            history.take(
                &TrainingEvent::Epoch(record(epoch)),
                Duration::from_secs(10 * epoch as u64),
            );
        }
        history.take(&step(3, 2), Duration::from_secs(25));
        history
    }

    #[test]
    fn curves_are_below_the_current_values() {
        let screen = drawn(&history(), 132, HEIGHT);
        assert_eq!(
            screen[..3],
            [
                "resnet18  epoch 3 of 3  best: 85.0 % in epoch 2",
                "● training    loss 0.333  accuracy 85.7 %  lr 0.02",
                "● validation  loss 0.450  accuracy 85.0 %  epoch 2",
            ]
        );
        let gauge = &screen[3];
        assert!(
            gauge.starts_with("step 2 of 4  17.2 pictures/s  "),
            "{gauge}"
        );
        assert!(gauge.contains('━') && gauge.ends_with('─'), "{gauge}");
        // Two charts side by side.
        assert!(screen[4].starts_with("loss") && screen[4].contains("accuracy"));
        let below = &screen[usize::from(HEIGHT) - 2];
        assert_eq!(below.matches("epoch 3").count(), 2, "{below}");
    }

    #[test]
    fn all_values_fit_into_60_columns() {
        for width in [60, 80, 120] {
            let screen = drawn(&history(), width, HEIGHT).join("\n");
            for words in [
                "resnet18  epoch 3 of 3  best: 85.0 % in epoch 2",
                "● training    loss 0.333  accuracy 85.7 %  lr 0.02",
                "● validation  loss 0.450  accuracy 85.0 %  epoch 2",
                "step 2 of 4",
                "s left  ━",
            ] {
                assert!(screen.contains(words), "{width}: {words}\n{screen}");
            }
        }
    }

    #[test]
    fn every_phase_has_a_name_a_bar_and_the_time_left_in_60_columns() {
        for (phase, words) in [
            (Phase::Check, "checking pictures 30 of 120  ━"),
            (
                Phase::TrainingFeatures,
                "features of training pictures 30 of 120  ━",
            ),
            (
                Phase::ValidationFeatures,
                "features of validation pictures 30 of 120  ━",
            ),
            (Phase::Validation, "validating 30 of 120"),
            (Phase::Maps, "TensorBoard maps 30 of 120"),
            (Phase::Saving, "saving 30 of 120"),
            (Phase::ReportEvaluation, "report: evaluating 30 of 120"),
            (Phase::ReportMaps, "report: maps 30 of 120"),
        ] {
            let prepares = words.ends_with('━');
            let mut history = if prepares { History::new() } else { history() };
            if prepares {
                history.take(&started(), Duration::ZERO);
            }
            let event = TrainingEvent::Phase {
                phase,
                done: 30,
                total: 120,
            };
            history.take(&event, Duration::from_secs(25));
            let screen = drawn(&history, 60, HEIGHT);
            let line = screen.iter().find(|line| line.contains(words));
            let line = line.unwrap_or_else(|| panic!("{words}\n{}", screen.join("\n")));
            assert!(line.contains("━") && line.contains('─'), "{line}");
            assert_eq!(line.contains(" left "), !prepares, "{line}");
        }
    }

    #[test]
    fn both_curves_have_their_colours() {
        let mut terminal = Terminal::new(TestBackend::new(132, HEIGHT)).unwrap();
        let history = history();
        terminal
            .draw(|frame| draw(frame, &history, Duration::ZERO))
            .unwrap();
        let cells = terminal.backend().buffer().content();
        for colour in [TRAINING, VALIDATION] {
            let dots = cells.iter().filter(|cell| {
                let braille =
                    ('\u{2801}'..='\u{28ff}').contains(&cell.symbol().chars().next().unwrap());
                braille && cell.fg == colour
            });
            assert!(dots.count() > 20, "{colour}");
        }
    }

    #[test]
    fn the_last_line_is_empty_for_the_cursor() {
        let mut terminal = Terminal::new(TestBackend::new(80, HEIGHT)).unwrap();
        let history = history();
        terminal
            .draw(|frame| draw(frame, &history, Duration::ZERO))
            .unwrap();
        terminal
            .backend_mut()
            .assert_cursor_position((0, HEIGHT - 1));
        assert_eq!(drawn(&history, 80, HEIGHT).last().unwrap(), "");
    }

    #[test]
    fn any_terminal_size_and_invalid_values_are_drawn() {
        let mut strange = History::new();
        for history in [&history(), &strange] {
            for (width, height) in [(1, 1), (20, 5), (60, HEIGHT), (72, 16), (300, 80)] {
                drawn(history, width, height);
            }
        }
        let mut event = step(1, 1);
        if let TrainingEvent::Step { loss, accuracy, .. } = &mut event {
            (*loss, *accuracy) = (f64::INFINITY, f64::NAN);
        }
        strange.take(&event, Duration::ZERO);
        drawn(&strange, 80, 16);
    }

    #[test]
    fn learning_rates_have_few_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.02, "0.02"),
            (0.012_345_6, "0.01235"),
            (1e-5, "1.00e-5"),
        ] {
            assert_eq!(rate(value), text);
        }
    }
}
